// Connections that are held at a switch, on each layer that owns connections: they stay with their
// process, and follow.
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kit_holding.h"
#include "kits.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/deadline.h"

namespace handoff::test {
namespace {

using protocol::Type;

class KitHoldTest : public KitTest {};
INSTANTIATE_TEST_SUITE_P(All, KitHoldTest, ::testing::ValuesIn(kAllLayers), layers_of);

TEST_P(KitHoldTest, HeldSessionsOfSeveralLanesFollow) {
  Program one = holding("1"), two = holding("2");
  one.lanes = 2;
  two.lanes = 3;
  ServiceProcess first(1, donor(one));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
    EXPECT_EQ("1 0", clients.back()->ask("hold"));
  }
  const auto second = start_heir(first, 2, heir(two));
  EXPECT_EQ(0U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(12U, first.await_message<v1::Late>(Type::kLate).waiting());
  for (auto& client : clients) {
    EXPECT_EQ("1 1", client->ask("a"));
    EXPECT_EQ("1 2", client->ask("release"));
  }
  EXPECT_EQ(0, first.wait());
  for (auto& client : clients) EXPECT_EQ("2 3", client->ask("b"));
}

TEST_P(KitHoldTest, AConnectionThatHoldsStaysWithItsLoopAndComesWhenItIsReleased) {
  ServiceProcess first(1, donor(holding("one")));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient busy(owner.named(0).address()), idle(owner.named(0).address());
  EXPECT_EQ("one 0", busy.ask("hold"));
  EXPECT_EQ("one 0", idle.ask("a"));
  const auto second = start_heir(first, 2, heir(holding("two")));
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(1U, first.await_message<v1::Late>(Type::kLate).waiting());
  EXPECT_EQ("one 1", busy.ask("b"));
  EXPECT_EQ("two 1", idle.ask("b"));
  LineClient fresh(owner.named(0).address());
  EXPECT_EQ("two 0", fresh.ask("a"));
  // The lines behind "release" move as input, and the heir serves them.
  busy.send("release\nc\nd\n");
  EXPECT_EQ("one 2", busy.next());
  EXPECT_EQ(0, first.wait());
  EXPECT_EQ("two 3", busy.ask("e"));
}

// Of its lines "busy" and "hold" are answered, "release" releases, and any other one is passed
// over.
class Announced final : public Session {
 public:
  // What the heir's loop looks at between two turns.
  struct Heir {
    int busy = -1;  // the fd of the one that has said "busy"
    bool told = false;
  };
  Announced(std::shared_ptr<Heir> heir, std::string role)
      : heir_(std::move(heir)), role_(std::move(role)) {}

  void opened(bool adopted) override {
    told_ = true;
    if (!adopted) return;
    if (role_ == "busy") heir_->busy = line().fd();
    if (role_ != "hold") return;
    heir_->told = true;
    write("told\n");
  }
  std::size_t input(std::string_view bytes) override {
    if (!told_) write("not told\n");
    std::size_t used = 0;
    for (std::size_t end = 0; (end = bytes.find('\n', used)) != bytes.npos; used = end + 1) {
      const std::string_view text = bytes.substr(used, end - used);
      if (text == "release") line().release();
      if (text == "hold") line().hold();
      if (text != "hold" && text != "busy") continue;
      role_ = text;
      write(role_ + "\n");
    }
    return used;
  }
  std::string save() const override { return role_; }

 private:
  std::shared_ptr<Heir> heir_;
  std::string role_;
  bool told_ = false;
};

// What the link brings and what clients say are in each turn of the heir's loop, until it has come.
TEST_P(KitHoldTest, AConnectionThatFollowsIsToldBeforeItsInputIsLookedAt) {
  const auto state = std::make_shared<Announced::Heir>();
  Program program{
      .listeners = {{"public", [state] { return std::make_unique<Announced>(state, ""); },
                     [state](std::string_view role) {
                       return std::make_unique<Announced>(state, std::string(role));
                     }}}};
  ServiceProcess first(1, donor(program));
  const auto owner = first.await_message<v1::Owner>(Type::kOwner);
  LineClient busy(owner.named(0).address()), held(owner.named(0).address());
  EXPECT_EQ("busy", busy.ask("busy"));
  EXPECT_EQ("hold", held.ask("hold"));
  program.each_turn = [state](const Now& now) {
    if (state->busy < 0 || state->told) return;
    for (const int fd : {now.fd, state->busy}) {
      (void)readable(fd, Deadline::in(std::chrono::milliseconds(100)));
    }
  };
  const auto second = start_heir(first, 2, heir(program));
  EXPECT_EQ(1U, second->await_message<v1::Owner>(Type::kOwner).sessions());
  held.send("release\n");
  for (const Deadline deadline = Deadline::patience();
       !readable(held.fd(), Deadline::in(std::chrono::milliseconds(1)));) {
    ASSERT_FALSE(deadline.passed()) << "it does not follow";
    held.say("x");
    busy.say("x");
  }
  EXPECT_EQ("told", held.next());
  EXPECT_EQ(0, first.wait());
}

}  // namespace
}  // namespace handoff::test
