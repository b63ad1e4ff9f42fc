// A session's record: what a connection saves, and how it is made of that again.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "handoff/vault.h"
#include "libhandoff/poll/kit.h"

using handoff::poll::Failed;

namespace {

class Making {
 public:
  explicit Making(handoff_conn& c) : c_(c) { c_.making = true; }
  ~Making() { c_.making = false; }
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;

 private:
  handoff_conn& c_;
};

}  // namespace

// opened() has yet to come.
int handoff_poll::save_fresh(const handoff_conn& c, handoff_saved_t* out) {
  int result = handoff_save_state(out, "", 0);
  if (result == 0) {
    result = handoff_save_input_at(out, c.input_from, c.input.data(), c.input.size());
  }
  if (result == 0) result = handoff_save_output_at(out, c.output_from, "", 0);
  return result == 0 ? handoff_save_flags(out, HANDOFF_VAULT_FRESH) : result;
}

int handoff_poll::save(std::uint64_t id, handoff_saved_t* out) {
  handoff_conn& c = *conns_.at(id);
  if (c.fresh) return save_fresh(c, out);
  if (c.ops().save != nullptr) {
    const Making guard(c);
    const int result = c.ops().save(&c, out);
    if (result < 0) return result;
    // The library says what is wrong. With input saved it would see nothing of it.
    if (handoff_save_given(out) == 0) return 0;
  }
  if (c.layer().save != nullptr) {
    const Making guard(c);
    const int result = c.layer().save(&c, out);
    if (result < 0) return result;
  }
  // Without a save() of its own the state is empty, and is said to be.
  int result = c.ops().save == nullptr ? handoff_save_state(out, "", 0) : 0;
  const handoff_conn* const second = c.second.get();
  const bool pair = second != nullptr && (second->fd >= 0 || second->placed);
  if (second != nullptr && !pair && !c.closing && second->waits_for_socket()) {
    handoff_reason(handle_, "what waits for an upstream that is not connected yet can't be saved");
    return -ENOMEM;
  }
  if (result == 0 && pair) {
    const std::string packed =
        PairInput{c.input, second->input, std::string_view(second->output).substr(second->sent)}
            .pack();
    result = handoff_save_input(out, packed.data(), packed.size());
  } else if (result == 0) {
    result = handoff_save_input_at(out, c.input_from, c.input.data(), c.input.size());
  }
  if (result == 0) {
    result = handoff_save_output_at(out, c.output_from + c.sent, c.output.data() + c.sent,
                                    c.output_size());
  }
  std::uint32_t flags = (c.closing ? Record::kClosing : 0) |
                        (c.connecting ? Record::kConnecting : 0) |
                        (c.shut_wanted ? Record::kShut : 0);
  if (pair) {
    flags |= Record::kPair | (second->connecting ? Record::kSecondConnecting : 0) |
             (second->shut_wanted ? Record::kSecondShut : 0);
  }
  if (result == 0 && flags != 0) result = handoff_save_flags(out, flags);
  if (result == 0) c.touched = false;
  return result;
}

handoff_poll::Listener* handoff_poll::listener_of(std::string_view kind) const {
  const auto it = std::find_if(listeners_.begin(), listeners_.end(),
                               [&](const auto& listener) { return listener->kind == kind; });
  return it == listeners_.end() ? nullptr : it->get();
}

std::string handoff_poll::unknown_kind(std::string_view kind) const {
  std::string text = "no listener of this release has sessions of kind '" + std::string(kind) + "'";
  if (kind != "session" || listeners_.size() < 2) return text;
  return text +
         ", and the release before did not say of which listener this one is; ops.kind \"session\" "
         "of one takes them for its own";
}

// The parts of a pair's input; nothing for a session with one connection.
std::optional<handoff::detail::PairInput> handoff_poll::pair_input(const handoff_adopted& a,
                                                                   const Listener& listener) const {
  if ((a.flags & ~Record::kAll) != 0) {
    throw Failed{HANDOFF_ERR_REJECTED, "the session has what handoff/poll.h does not know"};
  }
  if ((a.flags & Record::kPair) == 0) return std::nullopt;
  if (!listener.pairs) {
    throw Failed{HANDOFF_ERR_REJECTED,
                 "the session has two connections, and its kind has one here: ops.upstream says "
                 "what a second one does"};
  }
  auto out = PairInput::unpack({static_cast<const char*>(a.input), a.input_length});
  if (!out) throw Failed{HANDOFF_ERR_REJECTED, "the input of a pair is cut, or too long"};
  return out;
}

int handoff_poll::restore(handoff_conn& c, const handoff_adopted& a) {
  const Making guard(c);
  const int result = c.ops().restore == nullptr ? 0 : c.ops().restore(&c, a.state, a.state_length);
  if (result < 0 || c.layer().restore == nullptr) return result;
  return c.layer().restore(&c, a.layer, a.layer_length);
}

// One of which nothing was committed before its process died: as if it were accepted now.
int handoff_poll::adopt_fresh(const handoff_adopted& a, Listener& listener) {
  const bool first = !conns_.contains(a.id);
  if (first) conns_.emplace(a.id, make(listener, a.id));
  handoff_conn& c = *conns_.at(a.id);
  c.input = std::string_view(static_cast<const char*>(a.input), a.input_length);
  if (!c.input.empty()) adopted_.push_back(c.id);
  if (!first) return 0;
  c.fd = a.fd;
  c.inherited = c.fresh = true;
  handoff_session_touch(handle_, c.id);
  opening_.push_back(&c);
  c.opening = opening_.size() - 1;
  watch_adopted(c, true);
  return 0;
}

// Makes the connection from a first state, which comes with the socket, or anew from a newer one.
int handoff_poll::adopt(const handoff_adopted& a, bool extends) {
  Listener* const listener = listener_of(a.kind);
  if (listener == nullptr) throw Failed{HANDOFF_ERR_REJECTED, unknown_kind(a.kind)};
  if (a.flags == HANDOFF_VAULT_FRESH) return adopt_fresh(a, *listener);
  const auto pair = pair_input(a, *listener);
  if (a.layer_length > 0 && listener->layer.restore == nullptr) {
    throw Failed{HANDOFF_ERR_REJECTED,
                 "the session has bytes of a layer, the keys of its TLS connection, say, and this "
                 "release has no layer before its listener (handoff_poll_layer())"};
  }
  const bool fresh = !conns_.contains(a.id);
  if (fresh && extends) return HANDOFF_ERR_INTERNAL;
  if (fresh) {
    auto made = make(*listener, a.id);
    made->inherited = true;
    conns_.emplace(a.id, std::move(made));
  }
  handoff_conn& c = *conns_.at(a.id);
  if (!fresh) destroy(c);
  c.user = nullptr;
  c.layer_user = nullptr;
  c.paused = c.parting = c.last_words = c.close_asked = c.looks = false;
  if (c.second) forget_upstream(*c.second);
  const int result = restore(c, a);
  if (result < 0) {
    if (fresh) {
      destroy(c);
      conns_.erase(a.id);
    }
    return result;
  }
  if (fresh) c.fd = a.fd;
  c.seen = 0;
  take_bytes(c, a, extends, pair);
  take_flags(c, a.flags);
  // A late session comes to a loop that turns: it may not be touched until thaw().
  c.frozen = handoff_state(handle_) != HANDOFF_STATE_HEIR;
  c.saved_output = c.output_size();
  if (c.second) take_upstream(a, c);
  // These need a look at the first turn: input may hold a whole request, output is to be sent.
  bool waits = false;
  each_of(c, [&waits](const handoff_conn& one) {
    waits = waits || !one.input.empty() || one.output_size() > 0 || one.closing || one.paused ||
            one.shut_wanted || one.refusal != 0 || one.looks;
  });
  if (waits) adopted_.push_back(c.id);
  if (fresh) handoff_session_touch(handle_, c.id);  // from now on it says when it changes
  if (fresh && c.ops().adopted != nullptr) {
    opening_.push_back(&c);
    c.opening = opening_.size() - 1;
  }
  if (!c.frozen) watch_adopted(c, fresh);
  return 0;
}

// extends: input and output stay as far as they are not over, and what came goes behind them. A
// pair's input is always whole.
void handoff_poll::take_bytes(handoff_conn& c, const handoff_adopted& a, bool extends,
                              const std::optional<PairInput>& pair) {
  const std::string_view input(static_cast<const char*>(a.input), a.input_length);
  const std::string_view output(static_cast<const char*>(a.output), a.output_length);
  if (pair) {
    c.input = pair->client;
    c.second->input = pair->upstream;
    c.second->output = pair->to_upstream;
  } else if (!extends) {
    c.input = input;
  } else {
    // Memory is taken first: nothing may fail once bytes are gone at the front.
    c.input.reserve(c.input.size() + input.size());
    c.output.reserve(c.output.size() + output.size());
    c.input.erase(0, a.input_dropped);
    c.input.append(input);
  }
  if (extends) {
    c.input_from += a.input_dropped;
    c.output.reserve(c.output.size() + output.size());
    c.sent += a.output_dropped;
    c.output.append(output);
    trim(c);
  } else {
    c.output = output;
    c.sent = 0;
    c.input_from = c.output_from = 0;
  }
}

void handoff_poll::take_flags(handoff_conn& c, std::uint32_t flags) {
  c.closing = (flags & Record::kClosing) != 0;
  c.connecting = (flags & Record::kConnecting) != 0;
  c.shut_wanted = (flags & Record::kShut) != 0;
  c.shut = false;
  if (!c.second) return;
  c.second->closing = c.closing;
  c.second->connecting = (flags & Record::kSecondConnecting) != 0;
  c.second->shut_wanted = (flags & Record::kSecondShut) != 0;
}

void handoff_poll::watch_adopted(handoff_conn& c, bool fresh) {
  const std::uint32_t output = c.output_size() == 0 ? 0U : EPOLLOUT;
  const std::uint32_t wanted = c.connecting ? EPOLLOUT : EPOLLIN | output;
  if (!fresh && wanted == c.watched) return;
  epoll_event event{};
  event.events = c.watched = wanted;
  event.data.ptr = &c;
  if (::epoll_ctl(set_, fresh ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd, &event) < 0) {
    handoff::poll::fail_by_errno("epoll_ctl");
  }
}
