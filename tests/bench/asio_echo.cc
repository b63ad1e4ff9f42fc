// examples/echo on asio.hpp. Its counterpart without libhandoff is plain_asio_echo.cc.
#include <asio/io_context.hpp>
#include <cstdint>
#include <handoff/asio.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "echo_lines.h"

namespace {

class Echo final : public handoff::asio::Stream {
 public:
  explicit Echo(std::uint64_t lines = 0) : lines_(lines) {}
  std::size_t on_input(std::string_view input) override {
    std::string replies;
    const std::size_t used = bench::answer(input, lines_, replies);
    write(replies);
    return used;
  }
  std::string save() const override { return std::to_string(lines_); }

 private:
  std::uint64_t lines_;
};

}  // namespace

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "echo", .version = "1"});
    asio::io_context io;
    handoff::asio::Host host(io, *service);
    host.listen(
        "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Echo>(); },
        [](std::string_view state) {
          return std::make_unique<Echo>(std::stoull(std::string(state)));
        });
    host.start();
    io.run();
  });
}
