// Input that a Stream does not consume at once: how far it was looked at, and how much may wait.
#include <gtest/gtest.h>

#include <handoff/uv.hpp>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// The guide's loop, which counts the bytes that it looks at. A line is answered with its length and
// that number; "pause" stops in front of the line that follows, and goes on by itself.
class Counting : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    std::size_t from = seen();
    for (;;) {
      const std::size_t end = input.find('\n', from);
      looked_ += (end == std::string_view::npos ? input.size() : end + 1) - from;
      if (end == std::string_view::npos) return used;
      const std::string_view line = input.substr(used, end - used);
      write(std::to_string(line.size()) + " " + std::to_string(looked_) + "\n");
      used = from = end + 1;
      if (line == "pause") {
        pause();
        return used;
      }
      if (line == "go on") host().for_each([](Stream& s) { s.resume(); });
    }
  }
  std::string save() const override { return "s"; }

 private:
  std::size_t looked_ = 0;
};

template <class S>
int serve(std::size_t max_input = 0) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  if (max_input > 0) host.max_input = max_input;
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<S>(); },
      [](std::string_view) { return std::make_unique<S>(); });
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvInputTest, ALongLineIsLookedAtOnce) {
  ServiceProcess service(1, [] { return serve<Counting>(); });
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  constexpr std::size_t kLong = 10'000'000;  // some 150 reads
  client.send(std::string(kLong, 'a') + "\n");
  EXPECT_EQ(std::to_string(kLong) + " " + std::to_string(kLong + 1) + "\n", client.line());
  client.send("b\n");
  EXPECT_EQ("1 " + std::to_string(kLong + 3) + "\n", client.line());
}

TEST(UvInputTest, InputBehindAPauseCountsAsNotSeen) {
  ServiceProcess service(1, [] { return serve<Counting>(); });
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  LineClient one(owner.named(0).address()), other(owner.named(0).address());
  one.send("pause\nabc\n");
  EXPECT_EQ("5 6\n", one.line());
  other.send("go on\n");
  EXPECT_EQ("5 6\n", other.line());
  EXPECT_EQ("3 10\n", one.line());
}

// The heir is another program: it has looked at nothing.
TEST(UvInputTest, ARestoredStreamHasSeenNothing) {
  ServiceProcess donor(1, [] { return serve<Counting>(); });
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  client.send("a\nhalf");
  EXPECT_EQ("1 2\n", client.line());
  const auto heir = start_heir(donor, 2, [] { return serve<Counting>(); });
  heir->await_message<v1::Owner>(Type::kOwner);
  client.send(" of it\n");
  EXPECT_EQ("10 11\n", client.line()) << "4 of them when it was restored";
}

// Consumes nothing.
class Waiting : public uv::Stream {
 public:
  std::size_t on_input(std::string_view /*input*/) override { return 0; }
  std::string save() const override { return "s"; }
};
class Explaining : public Waiting {
  void on_overflow() override { write("too long\n"); }
};

TEST(UvInputTest, AConnectionWithMoreThanMaxInputEnds) {
  ServiceProcess service(1, [] { return serve<Waiting>(1000); });
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  LineClient within(owner.named(0).address()), beyond(owner.named(0).address());
  within.send(std::string(1000, 'a'));
  beyond.send(std::string(1001, 'a'));
  EXPECT_EQ("EOF", beyond.line());
  within.send("a");
  EXPECT_EQ("EOF", within.line());
}

TEST(UvInputTest, AStreamMaySayWhyItEnds) {
  ServiceProcess service(1, [] { return serve<Explaining>(1000); });
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send(std::string(5000, 'a'));
  EXPECT_EQ("too long\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

TEST(UvInputTest, ByDefaultItIs16MiB) {
  ServiceProcess service(1, [] { return serve<Waiting>(); });
  LineClient client(service.await_message<v1::Owner>(Type::kOwner).named(0).address());
  client.send(std::string((16U << 20) + 1, 'a'));
  EXPECT_EQ("EOF", client.line());
}

}  // namespace
}  // namespace handoff::test
