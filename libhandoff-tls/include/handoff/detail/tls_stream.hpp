// How a tls::Stream feeds its session, and moves: the part of tls.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_TLS_STREAM_HPP
#define HANDOFF_DETAIL_TLS_STREAM_HPP

#include <handoff/detail/tls_layer.h>

#include <handoff/tls.hpp>
#include <stdexcept>

namespace handoff::tls {

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
  int result = 0;
  while (!plain.empty() && result == 0) {
    const std::string_view some = plain.substr(0, HANDOFF_TLS_SEALED_AT_ONCE);
    plain.remove_prefix(some.size());
    result = handoff_tls_write(tls_.get(), some.data(), some.size());
    flush();  // also what was sealed before it failed: a session that has it can't move
  }
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
