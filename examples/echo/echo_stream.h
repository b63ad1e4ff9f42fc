// One echo connection, as both releases have it. The reply to its nth line `TEXT\n` is
// `<n> <version> TEXT\n`, and n counts on across upgrades. From a line `hold` to a line `release`
// the connection is busy, and stays with its release at an upgrade. The releases differ in what
// they keep beside the count: see echo-1.cc and echo-2.cc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace echo {

inline constexpr std::size_t kMaxLine = std::size_t{1} << 20;  // a longer one ends the connection

// Base is example::Plain, or a TLS session: see example/door.h.
template <class Base>
class EchoStream : public Base {
 public:
  template <class... Below>
  explicit EchoStream(std::string_view version, Below&... below)
      : Base(below...), version_(version) {}

 protected:
  std::uint64_t lines() const { return lines_; }  // answered so far
  void set_lines(std::uint64_t lines) { lines_ = lines; }
  // Called before a line is answered; number is the line's, from 1.
  virtual void on_line(std::uint64_t /*number*/) {}

  std::size_t on_plain(std::string_view input) final {
    std::size_t used = 0;
    std::string replies;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, this->seen()));
      const std::size_t length = (end == std::string_view::npos ? input.size() : end) - used;
      if (length > kMaxLine) {
        this->write(replies);
        this->close();
        return input.size();
      }
      if (end == std::string_view::npos) break;
      on_line(++lines_);
      const std::string_view text = input.substr(used, length);
      const bool can_hold = this->host().service().lanes() == 1;
      if (text == "hold" && can_hold) this->hold();
      if (text == "release" && can_hold) this->release();
      replies += std::to_string(lines_);
      replies += ' ';
      replies += version_;
      replies += ' ';
      replies += input.substr(used, length + 1);
      used = end + 1;
    }
    this->write(replies);
    return used;
  }

 private:
  const std::string version_;
  std::uint64_t lines_ = 0;
};

}  // namespace echo
