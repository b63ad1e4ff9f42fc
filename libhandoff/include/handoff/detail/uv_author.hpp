// What an author does with a Stream: the part of uv.hpp that its users need not read.
#ifndef HANDOFF_DETAIL_UV_AUTHOR_HPP
#define HANDOFF_DETAIL_UV_AUTHOR_HPP

#include <handoff/uv.hpp>

#include <stdexcept>

namespace handoff::uv {

inline void Stream::on_overflow() {
  detail::complain("session " + std::to_string(id_) +
                   " is closed: " + std::to_string(input_.size()) +
                   " bytes of input wait to be consumed, more than max_input");
}

inline void Stream::restore_layer(std::string_view layer) {
  if (layer.empty()) return;
  throw std::runtime_error(
      "the release before has bytes of a layer of this session, the keys of its TLS connection, "
      "say, and this release's class takes none: make it of the same layer (tls::Stream)");
}

inline std::uint64_t Stream::key() const { return is_second_ ? id_ | Engine::kSecond : id_; }
inline void Stream::write(std::string_view bytes) {
  if (closing_ || shut_wanted_ || bytes.empty()) return;
  host_->take_room(output_, bytes.size());
  output_.append(bytes);
  host_->touch(*this);
  host_->enqueue(*this);
}
inline void Stream::close() {
  if (closing_) return;
  closing_ = true;
  host_->touch(*this);
  host_->enqueue(*this);
  if (mate_ == nullptr || mate_->closing_) return;
  mate_->closing_ = true;
  host_->enqueue(*mate_);
}
inline void Stream::end_output() {
  if (closing_ || shut_wanted_) return;
  shut_wanted_ = true;
  host_->touch(*this);
  host_->enqueue(*this);
}
inline void Stream::hold() {
  if (held_ || closing_ || host_->over()) return;
  held_ = true;
  host_->service_.session_hold(id_);
}
inline void Stream::stays(const char* why) {
  if (closing_ || host_->over()) return;
  host_->service_.session_stays(id_, why);
}
inline void Stream::release() {
  if (!held_ || dead_) return;
  held_ = false;
  host_->service_.session_release(id_);
}
inline void Stream::changed() { host_->touch(*this); }
inline void Stream::pause() {
  paused_ = true;
  if (host_ != nullptr) host_->enqueue(*this);  // no Host yet in a constructor: adopt() looks
}
// Its input is looked at by announce_adopted(): from here on_input() could be within itself.
inline void Stream::resume() {
  paused_ = false;
  if (host_ == nullptr || dead_) return;
  host_->thawed_.push_back(id_);
  host_->enqueue(*this);
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_AUTHOR_HPP
