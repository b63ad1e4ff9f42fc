// How a Host's sessions go to another process and come from one: the part of uv.hpp that its users
// need not read.
#ifndef HANDOFF_DETAIL_UV_SESSION_HPP
#define HANDOFF_DETAIL_UV_SESSION_HPP

#include <handoff/vault.h>
#include <handoff/uv.hpp>

#include <sys/epoll.h>
#include <unistd.h>

#include <stdexcept>

namespace handoff::uv {

inline Saved Engine::save(SessionId id) {
  Stream& s = *streams_.at(id);
  if (s.fresh_) return save_fresh(s);
  Saved saved(s.save());
  if (s.second_ && (s.second_->fd_ >= 0 || s.second_->placed_)) {
    saved.input = pack_pair(s);
    saved.flags = Record::kPair | (s.second_->connecting_ ? Record::kSecondConnecting : 0) |
                  (s.second_->shut_wanted_ ? Record::kSecondShut : 0);
  } else {
    saved.input_at = Stretch{s.input_from_, s.input_};
  }
  saved.output_at = Stretch{s.output_from_ + s.sent_, std::string_view(s.output_).substr(s.sent_)};
  if (s.closing_) saved.flags |= Record::kClosing;
  if (s.connecting_) saved.flags |= Record::kConnecting;
  if (s.shut_wanted_) saved.flags |= Record::kShut;
  saved.layer = s.save_layer();
  s.touched_ = false;
  return saved;
}

// Makes the Stream from a first state, which comes with the socket, or anew from a newer state.
inline void Engine::adopt(Adopted& a) {
  bool opens = false;
  auto stream = make_again(a, opens);
  if ((a.flags() & Record::kPair) != 0) {
    unpack_pair(*stream, a.input());
  } else {
    stream->input_ = a.input();
  }
  stream->output_ = a.output();
  take(a, std::move(stream), opens);
}

// Anew from a newer state, with the input and output of the Stream before, as far as they are not
// over, and what came behind them.
inline void Engine::extend(Adopted& a) {
  bool opens = false;
  auto stream = make_again(a, opens);
  Stream& before = *streams_.at(a.id());
  // Memory is taken first: nothing may fail once the bytes have left the Stream before.
  before.input_.reserve(before.input_.size() + a.input().size());
  before.output_.reserve(before.output_.size() + a.output().size());
  if ((a.flags() & Record::kPair) != 0) {
    unpack_pair(*stream, a.input());  // a pair's is always whole
  } else {
    stream->input_ = std::move(before.input_);
    stream->input_.erase(0, a.input_dropped());
    stream->input_.append(a.input());
  }
  stream->input_from_ = before.input_from_ + a.input_dropped();
  stream->output_ = std::move(before.output_);
  stream->output_from_ = before.output_from_;
  stream->sent_ = before.sent_ + a.output_dropped();
  stream->output_.append(a.output());
  trim(*stream);
  take(a, std::move(stream), opens);
}

// on_open(false) has yet to come.
inline Saved Engine::save_fresh(const Stream& s) {
  Saved saved{std::string()};
  saved.input_at = Stretch{s.input_from_, s.input_};
  saved.output_at = Stretch{s.output_from_, {}};
  saved.flags = HANDOFF_VAULT_FRESH;
  return saved;
}

inline std::unique_ptr<Stream> Engine::make_fresh(Adopted& a, bool& opens) {
  for (const auto& listener : listeners_) {
    if (listener->options.kind != a.kind()) continue;
    auto stream = listener->create();
    own(*stream, a.id());
    stream->inherited_ = stream->fresh_ = opens = true;
    return stream;
  }
  throw std::runtime_error(unknown_kind(a.kind()));
}

inline std::unique_ptr<Stream> Engine::make_again(Adopted& a, bool& opens) {
  if (a.flags() == HANDOFF_VAULT_FRESH) return make_fresh(a, opens);
  const auto factory = restores_.find(a.kind());
  if (factory == restores_.end()) {
    throw std::runtime_error(unknown_kind(a.kind()));
  }
  if ((a.flags() & ~Record::kAll) != 0) {
    throw std::runtime_error("the session has what this release's handoff/uv.hpp does not know");
  }
  auto stream = factory->second.restore(a.state());
  if (!stream) throw std::runtime_error("the session's state was refused");
  own(*stream, a.id());
  stream->restore_layer(a.layer());
  stream->inherited_ = true;
  stream->closing_ = (a.flags() & Record::kClosing) != 0;
  stream->connecting_ = (a.flags() & Record::kConnecting) != 0;
  stream->shut_wanted_ = (a.flags() & Record::kShut) != 0;
  if ((a.flags() & Record::kPair) != 0) {
    Stream& second = second_of(*stream);
    second.inherited_ = true;
    second.closing_ = stream->closing_;
    second.connecting_ = (a.flags() & Record::kSecondConnecting) != 0;
    second.shut_wanted_ = (a.flags() & Record::kSecondShut) != 0;
  }
  opens = factory->second.opens;
  return stream;
}

inline void Engine::take(Adopted& a, std::unique_ptr<Stream> stream, bool opens) {
  // Nothing may fail between making the slot and filling it, so that a session without memory
  // leaves no empty slot behind.
  auto& slot = streams_[a.id()];
  const bool fresh = slot == nullptr;
  stream->fd_ = fresh ? a.take_fd() : slot->fd_;
  stream->opening_ = fresh ? kNowhere : slot->opening_;
  const auto before = std::exchange(slot, std::move(stream));
  Stream& s = *slot;
  // A late session comes to a loop that turns: it may not be touched until thaw().
  s.frozen_ = service_.state() != State::kHeir;
  take_second(a, s, before ? before->second_.get() : nullptr);
  if (fresh) service_.session_touch(a.id());  // from now on it says when it changes
  if (s.opening_ != kNowhere) {
    opening_[s.opening_] = &s;
  } else if (fresh && opens) {
    s.opening_ = opening_.size();
    opening_.push_back(&s);
  }
  // These need a look at the first turn: input may hold a whole request, output is to be sent.
  const bool has_output = s.output_size() > 0;
  const bool second_has = s.second_ && (!s.second_->input_.empty() || s.second_->refused_ != 0 ||
                                        s.second_->output_size() > 0 || s.second_->shut_wanted_);
  const bool waits = !s.input_.empty() || has_output || s.looks_;
  if (waits || s.closing_ || s.paused_ || s.shut_wanted_ || second_has) {
    adopted_.push_back(s.id_);
  }
  s.saved_output_ = s.output_size();
  if (s.frozen_) return;
  s.watched_ = s.connecting_ ? EPOLLOUT : EPOLLIN;
  if (has_output) s.watched_ |= EPOLLOUT;
  watch(fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s.fd_, s.watched_,
        reinterpret_cast<std::uintptr_t>(slot.get()));
}

// Drops a session. An heir only closes its fd, since the donor has the same socket open. In a donor
// the session was reset, so the Stream hears that it has ended; if all others have moved, from
// retire(), which follows.
inline void Engine::forget(SessionId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& s = *it->second;
  const bool served = service_.state() != State::kHeir && !s.frozen_ && s.opening_ == kNowhere;
  let_go_of(s);
  if (served && service_.state() == State::kDonor && !late_) return;
  if (served) tell("on_closed()", [&] { s.on_closed(); });
  streams_.erase(id);
}

inline void Engine::let_go_of(Stream& s) {
  if (s.opening_ != kNowhere) opening_[s.opening_] = nullptr;
  each_of(s, [this](Stream& one) {
    one.dead_ = true;
    one.closing_ = true;
    set_deadline(one, 0);
    if (one.fd_ < 0) return;
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, one.fd_, nullptr);
    ::close(std::exchange(one.fd_, -1));
  });
}

inline void Engine::moved(SessionId id) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream& s = *it->second;
  const bool known = s.opening_ == kNowhere;
  const bool late_write = s.output_size() > s.saved_output_ ||
                          (s.second_ && s.second_->output_size() > s.second_->saved_output_);
  if (s.frozen_ && late_write) {
    detail::complain("what was written to session " + std::to_string(id) +
                     " while it was on its way is lost");
  }
  let_go_of(s);
  if (known) tell("on_moved()", [&] { s.on_moved(); });
  streams_.erase(id);
}

inline void Engine::freeze(SessionId id) {
  each_of(*streams_.at(id), [this](Stream& s) {
    s.frozen_ = true;
    s.saved_output_ = s.output_size();
    s.watched_ = 0;
    if (s.fd_ >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, s.fd_, nullptr);
  });
}

// The session is this process's again, or from now on; announce_adopted() tells the Stream.
inline void Engine::thaw(SessionId id) {
  each_of(*streams_.at(id), [this](Stream& s) {
    s.frozen_ = false;
    s.watched_ = s.connecting_ ? EPOLLOUT : EPOLLIN;
    if (s.refused_ != 0) enqueue(s);
    if (s.is_second_) hold_place(s);  // for what was written meanwhile
    if (s.fd_ < 0) return;
    watch(EPOLL_CTL_ADD, s.fd_, s.watched_, reinterpret_cast<std::uintptr_t>(&s));
    enqueue(s);
  });
  thawed_.push_back(id);
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_SESSION_HPP
