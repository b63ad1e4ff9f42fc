// One echo connection, as both releases have it: to its nth line `TEXT\n` the reply is
// `<n> <version> TEXT\n`, with n counting on across upgrades. From a line `hold` to a line
// `release` it is in the middle of something, and stays with its release at an upgrade. What a
// release keeps beside the count is its own business: see echo-1.cc and echo-2.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <handoff/uv.hpp>
#include <string>
#include <string_view>

namespace echo {

inline constexpr std::size_t kMaxLine = std::size_t{1} << 20;  // a longer one ends the connection

class EchoStream : public handoff::uv::Stream {
 public:
  EchoStream(std::string_view version, std::uint64_t lines) : version_(version), lines_(lines) {}

  std::uint64_t lines() const { return lines_; }

 protected:
  std::size_t on_input(std::string_view input) final;
  // Before a line is answered; number is the line's, from 1.
  virtual void on_line(std::uint64_t /*number*/) {}

 private:
  const std::string version_;
  std::uint64_t lines_;  // answered so far
};

}  // namespace echo
