// Connections that are held at a switch, on each layer that owns connections: they stay with their
// process, and follow.
#include <gmock/gmock.h>

#include <memory>
#include <vector>

#include "kit_holding.h"
#include "kits.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

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

}  // namespace
}  // namespace handoff::test
