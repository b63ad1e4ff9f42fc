// From the accept, or the connect, to on_secure(): a handshake with its hold and its deadline. The
// part of tls.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_TLS_BEGIN_HPP
#define HANDOFF_DETAIL_TLS_BEGIN_HPP

#include <handoff/tls.hpp>

namespace handoff::tls {

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

inline void Stream::hold_for_handshake() {
  uv::Stream::hold();
  layer_holds_ = true;
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

}  // namespace handoff::tls

#endif  // HANDOFF_DETAIL_TLS_BEGIN_HPP
