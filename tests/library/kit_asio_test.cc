// What asio.hpp does with exceptions of the service, and with the hooks of its Service.
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <handoff/asio.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// Throws where its client says.
class Throwing final : public handoff::asio::Stream {
 public:
  explicit Throwing(std::string state = "") : state_(std::move(state)) {}
  std::size_t on_input(std::string_view input) override {
    if (input == "throw\n") throw std::runtime_error("on_input");
    if (input == "throw a number\n") throw 5;
    if (input == "on_open\n" || input == "on_closed\n") state_ = input;
    write(input);
    changed();
    return input.size();
  }
  void on_open(bool adopted) override {
    if (adopted && state_ == "on_open\n") throw std::runtime_error("on_open");
  }
  void on_closed() override {
    if (state_ == "on_closed\n") throw std::runtime_error("on_closed");
  }
  void on_moved() override { throw std::runtime_error("on_moved"); }
  std::string save() const override { return state_; }

 private:
  std::string state_;
};

int run_throwing(bool refuses) {
  auto service = Service::open({.name = "test", .version = "1"});
  ::asio::io_context io;
  handoff::asio::Host host(io, *service);
  service->on_linked([refuses] {
    if (refuses) throw std::runtime_error("not linked");
  });
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Throwing>(); },
      [](std::string_view state) { return std::make_unique<Throwing>(std::string(state)); });
  try {
    host.start();
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  io.run();
  return 0;
}

TEST(KitAsioTest, WhatAStreamThrowsEndsNothingElse) {
  ServiceProcess donor(1, [] { return run_throwing(false); });
  const std::string address = donor.await_message<v1::Owner>(Type::kOwner).named(0).address();
  LineClient stays(address);
  EXPECT_EQ("on_open", stays.ask("on_open"));
  for (const char* what : {"throw", "throw a number"}) {
    LineClient client(address);
    client.say(what);
    EXPECT_EQ("RESET", client.line());
  }
  {
    LineClient client(address);
    EXPECT_EQ("on_closed", client.ask("on_closed"));
  }
  EXPECT_EQ("here", stays.ask("here"));
  const auto heir = start_heir(donor, 2, [] { return run_throwing(false); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0, donor.wait());
  EXPECT_EQ("here", stays.ask("here"));
}

TEST(KitAsioTest, TheHooksOfItsServiceAreCalled) {
  ServiceProcess donor(1, [] { return run_throwing(false); });
  donor.await_message<v1::Owner>(Type::kOwner);
  const auto heir = start_heir(donor, 2, [] { return run_throwing(true); });
  donor.await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(3, heir->wait());
}

}  // namespace
}  // namespace handoff::test
