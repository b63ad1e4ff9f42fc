// How a tls::Stream feeds its session: the part of tls.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_TLS_STREAM_HPP
#define HANDOFF_DETAIL_TLS_STREAM_HPP

#include <handoff/detail/tls_layer.h>
#include <string.h>

#include <array>
#include <handoff/tls.hpp>
#include <stdexcept>

namespace handoff::tls {

inline Context::Context(ssl_ctx_st* ssl, Service& service, const ContextOptions& options)
    : service_(service),
      handshake_ms_(options.handshake_ms),
      max_plain_(options.max_plain > 0 ? options.max_plain : ContextOptions().max_plain) {
  const handoff_tls_options open{.size = sizeof open, .max_plain = max_plain_};
  handoff_tls_context_t* made = nullptr;
  const int result = handoff_tls_context_open(&made, ssl, &open);
  if (result != 0) throw Exception(result, "a TLS context can't be made of this SSL_CTX");
  context_.reset(made);
  if (!options.tickets.empty()) share_tickets(options);
}

inline void Context::share_tickets(const ContextOptions& options) {
  int result = handoff_tls_tickets(context_.get(), options.ticket_period_s);
  if (result != 0) throw Exception(result, handoff_tls_context_error(context_.get()));
  if (service_.index() != 0) return;
  const auto save = [](void* user, handoff_buffer_t* out) {
    std::array<unsigned char, HANDOFF_TLS_TICKETS_MAX> keys;
    const ssize_t size = handoff_tls_save_tickets(static_cast<handoff_tls_context_t*>(user),
                                                  keys.data(), keys.size());
    if (size < 0) return static_cast<int>(size);
    const int appended = handoff_buffer_append(out, keys.data(), static_cast<std::size_t>(size));
    ::explicit_bzero(keys.data(), keys.size());
    return appended;
  };
  const auto load = [](void* user, const void* keys, std::size_t size) {
    return handoff_tls_load_tickets(static_cast<handoff_tls_context_t*>(user), keys, size);
  };
  result = handoff_blob(service_.raw(), options.tickets.c_str(), save, load, context_.get());
  if (result == HANDOFF_ERR_DUPLICATE) {
    throw Exception(
        result,
        "another Context, or a section, has the name of this one's ticket keys: give it "
        "another (ContextOptions::tickets)");
  }
  if (result < 0) throw Exception(result, handoff_last_error(service_.raw()));
}

// A session acts for the first time. A Host asks Streams for nothing before it owns them, and some
// in Host::start().
inline void Context::own() {
  const State state = service_.state();
  const bool owns = state == State::kOwner || state == State::kDonor || state == State::kLate;
  if (owned_ || !owns) return;
  owned_ = handoff_tls_own(context_.get()) == 0;
}

inline void Stream::begin_layer() {
  if (context_.handshake_ms_ == 0) return;
  deadline_ms_ = uv::Linger::clock_ms() + context_.handshake_ms_;
  set_deadline(deadline_ms_);
}

inline void Stream::on_deadline() {
  if (secure() && !leaves_) return;
  const char* const what = leaves_ ? "a TLS session was not taken by the newer process within "
                                   : "no TLS handshake within ";
  why_ = what + std::to_string(context_.handshake_ms_) + " ms";
  end(End::kFailed);
}

inline std::string Stream::save_layer() const {
  const std::size_t size = tls_ == nullptr ? waiting_.size() : handoff_tls_save_size(tls_.get());
  const handoff_tls_layer front{
      .begun = tls_ != nullptr, .untold = untold_, .deadline_ms = deadline_ms_};
  std::string out(HANDOFF_TLS_LAYER_FRONT + size, '\0');  // a copy that grows leaves keys behind
  handoff_tls_layer_write(&front, reinterpret_cast<unsigned char*>(out.data()));
  char* const place = out.data() + HANDOFF_TLS_LAYER_FRONT;
  if (tls_ == nullptr) {
    waiting_.copy(place, size);
    return out;
  }
  const ssize_t saved = handoff_tls_save(tls_.get(), place, size);
  if (saved < 0) throw Exception(static_cast<int>(saved), handoff_tls_error(tls_.get()));
  return out;
}

inline void Stream::restore_layer(std::string_view layer) {
  if (layer.empty()) {
    throw std::runtime_error(
        "the session has no TLS: the release before has served this listener without");
  }
  handoff_tls_layer front{};
  if (handoff_tls_layer_read(layer.data(), layer.size(), &front) == 0) {
    throw std::runtime_error("a TLS session's bytes are cut, or not of handoff/tls.hpp");
  }
  layer.remove_prefix(HANDOFF_TLS_LAYER_FRONT);
  if (front.begun == 0) {
    waiting_ = layer;
    deadline_ms_ = front.deadline_ms;
    set_deadline(deadline_ms_);
    return;
  }
  handoff_tls_t* made = nullptr;
  const int result = handoff_tls_restore(&made, context_.get(), layer.data(), layer.size());
  if (result != 0) throw Exception(result, handoff_tls_context_error(context_.get()));
  tls_.reset(made);
  unchecked_ = true;
  untold_ = front.untold != 0;
  if (untold_) look();
}

inline void Stream::write(std::string_view plain) {
  if (closing() || ends_ || plain.empty()) return;
  if (!secure()) {
    waiting_.append(plain);
    if (waiting_.size() > HANDOFF_TLS_MAX_WAITING) hold_for_handshake();  // more than moves
    changed();
    return;
  }
  if (!ready()) return;
  const int result = handoff_tls_write(tls_.get(), plain.data(), plain.size());
  flush();  // also what was sealed before it failed: a session that has it can't move
  if (result == -ENOMEM || result == HANDOFF_ERR_INTERNAL) end(End::kFailed);
}

inline void Stream::close() {
  if (!closing() && secure() && ready() && handoff_tls_shutdown(tls_.get()) == 0) flush();
  uv::Stream::close();
}

// A FIN before the handshake is over would leave its messages unsaid.
inline void Stream::end_output() {
  if (!closing() && !secure()) {
    ends_ = true;
    return hold_for_handshake();
  }
  if (!closing() && secure() && ready() && handoff_tls_shutdown(tls_.get()) == 0) flush();
  uv::Stream::end_output();
}

inline void Stream::pause() {
  paused_ = true;
  uv::Stream::pause();
}

inline void Stream::resume() {
  paused_ = false;
  resumed_ = true;
  delivered_ = 0;
  if (!leaves_) uv::Stream::resume();
}

inline void Stream::hold() {
  uv::Stream::hold();
  author_holds_ = true;
}

inline void Stream::release() {
  author_holds_ = false;
  if (!layer_holds_) uv::Stream::release();
}

inline void Stream::hold_for_handshake() {
  uv::Stream::hold();
  layer_holds_ = true;
}

inline std::size_t Stream::on_input(std::string_view input) {
  if (over_) return input.size();
  if (tls_ == nullptr && !accept()) return input.size();
  if (!ready()) return input.size();
  if (leaves_) return 0;
  if (std::exchange(untold_, false)) on_secure();
  std::size_t used = 0;
  bool more = true;
  while (more) {
    const bool was_secure = secure();
    const std::string_view rest = input.substr(used);
    const ssize_t fed = handoff_tls_feed(tls_.get(), rest.data(), rest.size());
    flush();
    if (!was_secure && secure()) begun();
    more = secure() && !leaves_ && deliver();
    if (fed < 0) {
      end(End::kFailed);
      return input.size();
    }
    used += static_cast<std::size_t>(fed);
  }
  if (leaves_) return used;
  if (delivered_ >= context_.max_plain_ && !closing()) {  // nothing more would ever be opened
    on_overflow();
    close();
    return input.size();
  }
  const char* plain = nullptr;
  const bool waits = paused_ && handoff_tls_plain(tls_.get(), &plain) > 0;
  if (waits || !secure() || info().alert_in != 0) return used;
  end(End::kCloseNotify);
  return input.size();
}

inline void Stream::on_end() {
  if (leaves_) return;  // the next process is told again, behind what waits
  if (tls_ != nullptr && !std::exchange(over_, true)) {
    on_tls_end(handoff_tls_eof(tls_.get()) == 0 ? End::kCloseNotify : End::kTruncated);
  }
  close();
}

// A client speaks first: on a socket that has said something before, it is late.
inline bool Stream::accept() {
  if (client_ != nullptr) {
    shake_hands();
    return tls_ != nullptr && !over_;
  }
  context_.own();
  std::uint64_t written = 0;
  handoff_tls_t* made = nullptr;
  int result = handoff_tls_written(fd(), &written);
  if (result == 0) result = handoff_tls_accept(&made, context_.get(), written);
  return start(result, made);
}

inline void Stream::shake_hands() {
  if (tls_ != nullptr || client_ == nullptr || closing()) return;
  context_.own();
  std::uint64_t written = 0;
  handoff_tls_t* made = nullptr;
  const char* const name = client_->name.empty() ? nullptr : client_->name.c_str();
  int result = handoff_tls_written(fd(), &written);
  if (result == 0) result = handoff_tls_connect(&made, context_.get(), name, written);
  if (!start(result, made)) return;
  if (handoff_tls_feed(tls_.get(), nullptr, 0) < 0) return end(End::kFailed);
  flush();
}

inline bool Stream::start(int result, handoff_tls_t* made) {
  tls_.reset(made);
  if (result == 0) {
    hold_for_handshake();
    on_handshake(handoff_tls_ssl(made));
    return true;
  }
  why_ = std::string("a TLS connection is closed: ") + handoff_strerror(result);
  handoff::detail::complain(why_);
  end(End::kFailed);
  return false;
}

// A restored session is compared with its socket before it does anything.
inline bool Stream::ready() {
  if (!unchecked_) return !refused_;
  if (context_.service_.state() == State::kHeir) return false;  // the donor may still send
  unchecked_ = false;
  context_.own();
  std::uint64_t written = 0;
  const int result = handoff_tls_written(fd(), &written);
  refused_ = result != 0 || handoff_tls_check(tls_.get(), written, output_size()) != 0;
  if (!refused_) return true;
  end(End::kFailed);
  return false;
}

inline void Stream::flush() {
  const char* data = nullptr;
  const std::size_t size = handoff_tls_out(tls_.get(), &data);
  if (size == 0) return;
  uv::Stream::write({data, size});
  handoff_tls_sent(tls_.get(), size);
}

// The handshake is over. A hold of the author's goes on, and one that begins in on_secure() counts.
inline void Stream::begun() {
  deadline_ms_ = 0;
  set_deadline(0);
  const bool ends = std::exchange(ends_, false);
  write(std::exchange(waiting_, {}));
  if (ends) end_output();
  layer_holds_ = false;
  if (author_holds_) return on_secure();
  uv::Stream::release();
  if (context_.service_.session_leaves(id())) {
    leave();
  } else {
    on_secure();
  }
}

// All that the session has to do with is the next process's. So its author hears of it there, and
// input waits. Nobody knows here whether that process takes it, so there is a time for that, too.
inline void Stream::leave() {
  leaves_ = untold_ = true;
  uv::Stream::pause();
  if (context_.handshake_ms_ > 0) set_deadline(uv::Linger::clock_ms() + context_.handshake_ms_);
}

// Whether some of what waits was consumed.
inline bool Stream::deliver() {
  const char* data = nullptr;
  const std::size_t size = handoff_tls_plain(tls_.get(), &data);
  if (size <= delivered_ || paused_ || closing()) return false;
  seen_ = delivered_;
  resumed_ = false;
  const std::size_t used = on_plain({data, size});
  handoff_tls_consume(tls_.get(), used);
  seen_ = 0;
  // A pause in there may have left whole requests; so may one that has ended in there, which is
  // looked at by the loop.
  delivered_ = paused_ || resumed_ ? 0 : size - used;
  return used > 0;
}

inline void Stream::end(End how) {
  if (std::exchange(over_, true)) return;
  on_tls_end(how);
  close();
}

inline handoff_tls_info Stream::info() const {
  handoff_tls_info out{};
  out.size = sizeof out;
  if (tls_ != nullptr) handoff_tls_get_info(tls_.get(), &out);
  return out;
}

inline const char* Stream::why() const {
  if (!why_.empty()) return why_.c_str();
  return tls_ != nullptr ? handoff_tls_error(tls_.get()) : "";
}

}  // namespace handoff::tls

#endif  // HANDOFF_DETAIL_TLS_STREAM_HPP
