// The layer of asio.hpp, for kits.h.
#include <asio/steady_timer.hpp>
#include <chrono>
#include <handoff/asio.hpp>

#include "kit_streams.h"

namespace handoff::test {
namespace {

class AsioLine final : public StreamLine<handoff::asio::Stream> {
 public:
  using StreamLine::StreamLine;
  void on_closing() override { session_->closing(); }
};

struct Ticker {
  ::asio::steady_timer timer;
  const Program& program;
  void next() {
    timer.expires_after(std::chrono::milliseconds(program.tick_ms));
    timer.async_wait([this](const auto& error) {
      if (error) return;
      program.tick();
      next();
    });
  }
};

int run_lane(handoff::asio::Host& host, const Program& program) {
  if (const int result = start(host, program); result != 0) return result;
  Ticker ticker{::asio::steady_timer(host.io()), program};
  if (program.tick_ms > 0) ticker.next();
  while (!host.io().stopped()) {
    if (program.each_turn) program.each_turn(now(host.service(), program));
    host.io().run_one();
  }
  return 0;
}

}  // namespace

int run_on_asio(const Program& program) {
  auto service = Service::open({.name = "test", .version = "1", .lanes = program.lanes});
  std::vector<std::unique_ptr<::asio::io_context>> contexts;
  std::vector<std::unique_ptr<handoff::asio::Host>> hosts;
  for (std::uint32_t i = 0; i < program.lanes; ++i) {
    contexts.push_back(std::make_unique<::asio::io_context>());
    hosts.push_back(std::make_unique<handoff::asio::Host>(
        *contexts[i], service->lane(i), handoff::asio::Host::Options{program.max_input}));
    declare<AsioLine>(*hosts[i], program);
  }
  if (program.lanes > 1) handoff::asio::Host::ready(*service);
  return run_lanes(program.lanes, [&](std::uint32_t i) { return run_lane(*hosts[i], program); });
}

}  // namespace handoff::test
