// A service whose connections say when they are held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kits.h"

namespace handoff::test {

// "hold" holds, "release" releases. A line is answered with the release and the number of lines
// before.
class Holding final : public Session {
 public:
  Holding(std::string version, std::uint64_t lines) : version_(std::move(version)), lines_(lines) {}
  std::size_t input(std::string_view bytes) override {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return 0;
    const std::string_view text = bytes.substr(0, end);
    if (text == "hold") line().hold();
    if (text == "release") line().release();
    write(version_ + " " + std::to_string(lines_++) + "\n");
    return end + 1;
  }
  std::string save() const override { return std::to_string(lines_); }

 private:
  std::string version_;
  std::uint64_t lines_;
};
inline Program holding(const std::string& version) {
  return {.listeners = {{"public", [=] { return std::make_unique<Holding>(version, 0); },
                         [=](std::string_view state) {
                           return std::make_unique<Holding>(version,
                                                            std::stoull(std::string(state)));
                         }}}};
}

}  // namespace handoff::test
