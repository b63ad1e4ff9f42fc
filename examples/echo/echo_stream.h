// One echo connection, as both releases have it. The reply to its nth line `TEXT\n` is
// `<n> <version> TEXT\n`, and n counts on across upgrades. From a line `hold` to a line `release`
// the connection is busy, and stays with its release at an upgrade. The releases differ in what
// they keep beside the count: see echo-1.cc and echo-2.cc.
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
  // Called before a line is answered; number is the line's, from 1.
  virtual void on_line(std::uint64_t /*number*/) {}

 private:
  const std::string version_;
  std::uint64_t lines_;  // answered so far
};

}  // namespace echo
