// A service of uv.hpp that is killed, and what its vault and its keeper have of its sessions: the
// test plays the supervisor and whoever recovers.
#include "handoff/vault.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "handoff/uv.hpp"
#include "libhandoff/vault/keeper.h"
#include "libhandoff/vault/kernel.h"
#include "libhandoff/vault/memory.h"
#include "libhandoff/vault/reader.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using StartFrame = ServiceProcess::StartFrame;
constexpr int kSoonMs = 20'000;

// Answers each line with its number; "bye" ends the connection.
class Counting final : public uv::Stream {
 public:
  explicit Counting(std::string_view state = "0") : count_(std::stoul(std::string(state))) {}

 protected:
  std::size_t on_input(std::string_view input) override {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    write(std::to_string(++count_) + "\n");
    if (input.substr(0, end) == "bye") close();
    return end + 1;
  }
  std::string save() const override { return std::to_string(count_); }

 private:
  std::size_t count_;
};

struct Asked {
  bool vault = true;
  bool section = false;
  bool forks = false;  // and the child ends in the service's own code
};

int run_counting(const Asked& asked) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service =
      Service::open({.name = "count", .version = "1.5", .state_version = 4, .vault = asked.vault});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Counting>(); },
      [](std::string_view state) { return std::make_unique<Counting>(state); });
  if (asked.section) {
    handoff_section_ops ops{};
    ops.size = sizeof ops;
    ops.begin = [](void*, std::uint32_t) { return 0; };
    ops.read = [](void*, int, void*, std::size_t) -> ssize_t { return 0; };
    ops.end = [](void*, int) {};
    ops.write = [](void*, std::uint32_t, const void*, std::size_t) { return 0; };
    ops.finish = [](void*) { return 0; };
    ops.reset = [](void*) {};
    const std::uint32_t version = 1;
    if (handoff_section(service->raw(), "rooms", &version, 1, &version, 1, &ops, nullptr) < 0) {
      return 9;
    }
  }
  host.start();
  if (asked.forks) {
    const pid_t child = ::fork();
    if (child == 0) {
      handoff_close(service->raw());
      ::_exit(0);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0) return 8;
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

class VaultTest : public ::testing::Test {
 protected:
  void start(const Asked& asked = {}) {
    memory_ = std::move(*vault::make_memory());
    int ends[2] = {-1, -1};
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    keeper_ = UniqueFd(ends[0]);
    const UniqueFd theirs(ends[1]);
    v1::Start start;
    start.set_protocol_min(1);
    start.set_protocol_max(1);
    start.set_service("count");
    start.set_generation(6);
    start.set_vault(true);
    service_ = std::make_unique<ServiceProcess>(
        [asked] { return run_counting(asked); },
        std::vector<StartFrame>{{start, {memory_.get(), theirs.get()}}});
    register_ = service_->await_message<v1::Register>(protocol::Type::kRegister);
    const auto owner = service_->await_message<v1::Owner>(protocol::Type::kOwner);
    ASSERT_EQ(1, owner.named_size());
    address_ = owner.named(0).address();
  }
  void TearDown() override {
    service_.reset();
    if (keeper_.valid()) vault::dismiss_keeper(keeper_.get());
  }
  vault::About about() const {
    const auto header = vault::Span::map(memory_.get(), 0, vault::kHeaderSpan, false);
    auto out = vault::read_about(header->bytes());
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : vault::About();
  }
  // After the death: the sessions, with the sockets of the keeper.
  struct Found {
    vault::Listed session;
    vault::Recovered recovered;
    UniqueFd fd;
  };
  std::vector<Found> find() {
    auto kept = vault::ask_keeper(keeper_.get(), kSoonMs);
    EXPECT_TRUE(kept) << kept.error().message;
    lane_ = std::move(*vault::Span::map(memory_.get(), vault::lane_at(0), vault::kLaneSpan, false));
    const vault::Reader reader(lane_.bytes());
    EXPECT_EQ("", reader.problem());
    std::vector<Found> out;
    for (const vault::Listed& one : reader.sessions()) {
      UniqueFd& fd = (*kept)[one.fd];
      EXPECT_EQ(one.cookie, vault::cookie_of(fd.get()).value_or(0));
      auto got = reader.recover(one, *vault::position_at(fd.get()));
      EXPECT_TRUE(got) << got.error().message;
      if (got) out.push_back({one, std::move(*got), std::move(fd)});
    }
    return out;
  }

  UniqueFd memory_;
  UniqueFd keeper_;
  std::unique_ptr<ServiceProcess> service_;
  v1::Register register_;
  std::string address_;
  vault::Span lane_;
};

TEST_F(VaultTest, ASessionOfAKilledServiceIsInItsVault) {
  start();
  EXPECT_NE(0U, register_.vault().keeper_pid());
  EXPECT_EQ("", register_.vault().refused());
  const vault::About whose = about();
  EXPECT_EQ("count", whose.service);
  EXPECT_EQ("1.5", whose.release);
  EXPECT_EQ(6U, whose.generation);
  EXPECT_TRUE(whose.complete);
  ASSERT_EQ(2U, whose.kinds.size());
  EXPECT_EQ("session", whose.kinds[0].name);
  EXPECT_EQ(4U, whose.kinds[0].version);
  EXPECT_EQ("public", whose.kinds[1].name);
  EXPECT_TRUE(whose.kinds[1].of_listener);

  LineClient first(address_);
  LineClient second(address_);
  EXPECT_EQ("1", first.ask("a"));
  EXPECT_EQ("2", first.ask("b"));
  EXPECT_EQ("1", second.ask("a"));
  second.send("half a li");
  EXPECT_EQ("3", first.ask("c"));
  service_->kill();
  auto found = find();
  ASSERT_EQ(2U, found.size());
  EXPECT_EQ("3", found[0].recovered.state);
  EXPECT_EQ("", found[0].recovered.output);
  EXPECT_EQ(1U, found[0].session.kind);
  EXPECT_FALSE(found[0].session.fresh);
  EXPECT_EQ(6U, found[0].session.id >> 40);
  EXPECT_EQ("1", found[1].recovered.state);
  // What was read before the death is in the vault, and the rest still in the socket.
  std::string rest(16, '\0');
  const ssize_t n = ::recv(found[1].fd.get(), rest.data(), rest.size(), MSG_DONTWAIT);
  rest.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
  EXPECT_EQ("half a li", found[1].recovered.input + rest);
  // The connections live: whoever has the socket can answer.
  ASSERT_EQ(3, ::send(found[0].fd.get(), "on\n", 3, MSG_NOSIGNAL));
  EXPECT_EQ("on", first.next());
}

TEST_F(VaultTest, WhatHasEndedIsNotInIt) {
  start();
  LineClient first(address_);
  LineClient second(address_);
  EXPECT_EQ("1", second.ask("a"));
  EXPECT_EQ("1", first.ask("bye"));
  EXPECT_TRUE(first.at_end());
  EXPECT_EQ("2", second.ask("b"));
  service_->kill();
  const auto found = find();
  ASSERT_EQ(1U, found.size());
  EXPECT_EQ("2", found[0].recovered.state);
}

TEST_F(VaultTest, OutputThatASlowClientHasNotTakenIsInIt) {
  start();
  LineClient client(address_);
  const int small = 4096;
  ASSERT_EQ(0, ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
  constexpr int kLines = 100'000;
  LineClient other(address_);
  std::string lines;
  for (int i = 0; i < kLines; ++i) lines += "\n";
  client.send(lines);
  EXPECT_EQ("1", other.ask("a"));
  service_->kill();
  auto found = find();
  ASSERT_EQ(2U, found.size());
  const auto& one = found[0].recovered.state == "1" ? found[1] : found[0];
  // All that was answered comes: what the kernel has had, and behind it what the vault has.
  const int answered = std::stoi(one.recovered.state);
  std::string all;
  for (int i = 1; i <= answered; ++i) all += std::to_string(i) + "\n";
  ASSERT_LE(one.recovered.output.size(), all.size());
  EXPECT_EQ(all.substr(all.size() - one.recovered.output.size()), one.recovered.output);
}

TEST_F(VaultTest, AServiceWithASectionIsRefusedOne) {
  start({.section = true});
  EXPECT_EQ(0U, register_.vault().keeper_pid());
  EXPECT_EQ("the service has a section 'rooms', and a vault keeps none",
            register_.vault().refused());
  LineClient client(address_);
  EXPECT_EQ("1", client.ask("a"));
  service_->kill();
  const auto kept = vault::ask_keeper(keeper_.get(), kSoonMs);
  EXPECT_FALSE(kept);
}

TEST_F(VaultTest, AForkOfTheServiceLeavesItAlone) {
  start({.forks = true});
  LineClient client(address_);
  EXPECT_EQ("1", client.ask("a"));
  service_->kill();
  const auto found = find();
  ASSERT_EQ(1U, found.size());
  EXPECT_EQ("1", found[0].recovered.state);
}

TEST_F(VaultTest, AServiceThatAsksForNoneSaysNothingOfIt) {
  start({.vault = false});
  EXPECT_FALSE(register_.has_vault());
  LineClient client(address_);
  EXPECT_EQ("1", client.ask("a"));
  const auto header = vault::Span::map(memory_.get(), 0, vault::kHeaderSpan, false);
  EXPECT_FALSE(vault::read_about(header->bytes()));
}

}  // namespace
}  // namespace handoff::test
