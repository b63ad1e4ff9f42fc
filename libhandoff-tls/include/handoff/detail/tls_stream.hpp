// How a tls::Stream feeds its session: the part of tls.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_TLS_STREAM_HPP
#define HANDOFF_DETAIL_TLS_STREAM_HPP

#include <handoff/tls.hpp>

namespace handoff::tls {

inline Stream::Stream(Context& context, const Saved& saved) : context_(context) {
  if (!saved.begun) {
    waiting_ = saved.layer;
    return;
  }
  handoff_tls_t* made = nullptr;
  const int result =
      handoff_tls_restore(&made, context.get(), saved.layer.data(), saved.layer.size());
  if (result != 0) throw Exception(result, handoff_tls_context_error(context.get()));
  tls_.reset(made);
  unchecked_ = true;
  const char* data = nullptr;
  if (handoff_tls_plain(made, &data) > 0) look_again();  // there may be whole requests in it
}

inline void Stream::write(std::string_view plain) {
  if (closing() || plain.empty()) return;
  if (!secure()) {
    waiting_.append(plain);
    changed();
  } else if (ready() && handoff_tls_write(tls_.get(), plain.data(), plain.size()) == 0) {
    flush();
  }
}

inline void Stream::close() {
  if (!closing() && secure() && ready() && handoff_tls_shutdown(tls_.get()) == 0) flush();
  uv::Stream::close();
}

inline void Stream::pause() {
  paused_ = true;
  uv::Stream::pause();
}

inline void Stream::resume() {
  paused_ = false;
  delivered_ = 0;
  again_ = delivering_;  // within on_plain(): deliver() goes on with what is left
  look_again();
  uv::Stream::resume();
}

inline std::size_t Stream::on_input(std::string_view input) {
  if (over_) return input.size();
  if (tls_ == nullptr && (input.empty() || !accept())) return input.size();
  if (!ready()) return input.size();
  const bool shook_hands = secure();
  const ssize_t consumed = handoff_tls_feed(tls_.get(), input.data(), input.size());
  flush();
  if (!shook_hands && secure()) {
    write(std::exchange(waiting_, {}));
    on_secure();
  }
  if (secure()) deliver();
  if (!shook_hands && secure()) release();
  if (consumed < 0) {
    end(End::kFailed);
    return input.size();
  }
  if (secure() && info().alert_in == 0) {
    end(End::kCloseNotify);
    return input.size();
  }
  return static_cast<std::size_t>(consumed);
}

inline void Stream::on_end() {
  if (tls_ != nullptr && !std::exchange(over_, true)) {
    on_tls_end(handoff_tls_eof(tls_.get()) == 0 ? End::kCloseNotify : End::kTruncated);
  }
  close();
}

inline std::string Stream::save() const {
  const std::string plain = save_plain();
  if (tls_ == nullptr) return Saved::front(false, waiting_.size()) + waiting_ + plain;
  const std::size_t size = handoff_tls_save_size(tls_.get());
  std::string out = Saved::front(true, size);
  const std::size_t front = out.size();
  out.reserve(front + size + plain.size());  // a copy that grows leaves keys behind
  out.resize(front + size);
  const ssize_t saved = handoff_tls_save(tls_.get(), out.data() + front, size);
  if (saved < 0) throw Exception(static_cast<int>(saved), handoff_tls_error(tls_.get()));
  return out += plain;
}

inline bool Stream::accept() {
  context_.own();
  std::uint64_t written = 0;
  handoff_tls_t* made = nullptr;
  int result = handoff_tls_written(fd(), &written);
  if (result == 0) result = handoff_tls_accept(&made, context_.get(), written);
  tls_.reset(made);
  if (result == 0) {
    hold();  // until the handshake is over
    return true;
  }
  handoff::detail::complain(std::string("a TLS connection is closed: ") + handoff_strerror(result));
  end(End::kFailed);
  return false;
}

// A restored session is compared with its socket before it does anything.
inline bool Stream::ready() {
  if (!unchecked_) return !refused_;
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

inline void Stream::deliver() {
  delivering_ = true;
  do {
    again_ = false;
    const char* data = nullptr;
    const std::size_t size = handoff_tls_plain(tls_.get(), &data);
    if (size <= delivered_ || paused_ || closing()) break;
    seen_ = delivered_;
    const std::size_t used = on_plain({data, size});
    handoff_tls_consume(tls_.get(), used);
    seen_ = 0;
    delivered_ = paused_ || again_ ? 0 : size - used;
  } while (again_);
  delivering_ = false;
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

}  // namespace handoff::tls

#endif  // HANDOFF_DETAIL_TLS_STREAM_HPP
