// The echo on asio.hpp: the layer of tls_poll.h before the listener of its kit.
#include <handoff/tls_poll.h>
#include <cstdio>
#include <handoff/asio.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tls_echo.h"

namespace handoff::test {
namespace {

class Echo final : public handoff::asio::Stream {
 protected:
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return "0"; }
};

}  // namespace

int run_tls_echo_asio(const TlsEchoOptions& options) {
  ::asio::io_context io;
  auto service = Service::open({.name = "test", .version = "1"});
  handoff_tls_poll tls{};
  int result = 0;
  {
    handoff::asio::Host host(io, *service);
    host.listen(
        "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Echo>(); },
        [&](std::string_view) {
          if (options.refuses) throw std::runtime_error("refused, by a test");
          return std::make_unique<Echo>();
        });
    if (handoff_tls_poll_open(&tls, host.kit(), options.ssl, nullptr) != 0 ||
        handoff_tls_poll_use(&tls, "public") != 0) {
      return 2;
    }
    try {
      host.start();
      io.run();
    } catch (const Exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      result = e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
    }
  }
  handoff_tls_poll_close(&tls);
  return result;
}

}  // namespace handoff::test
