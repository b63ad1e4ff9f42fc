// Listeners in motion when the supervisor is replaced, or is killed and another comes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "listeners_fixture.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;

TEST_F(ListenersTest, TheNextSupervisorKnowsOfAMoveThatIsUnderWay) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  must({"upgrade", "--self"});
  EXPECT_EQ(ask(to), "2 1 - -");
  EXPECT_EQ(ask(from), "2 1 - -");
  must({"rollback", "steps"});
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_EQ(listener(supervisor_.status(), "public").at("address"), tcp(from));
  EXPECT_TRUE(refuses(to));
}

// Seen: the filter of the old one stayed for as long as the service lived, so that clients there
// waited for nothing.
TEST_F(ListenersTest, TheNextSupervisorGoesOnWithTheEndOfOneWhenItsPredecessorIsKilled) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  must({"commit", "steps"});
  ASSERT_TRUE(supervisor_.eventually([&] { return state_has("\"ends\":true"); }));
  supervisor_.kill();
  supervisor_.start_again();
  EXPECT_TRUE(supervisor_.says("listener public at " + tcp(from) + " was found"));
  EXPECT_TRUE(supervisor_.says("listener public is closed at " + tcp(from)));
  EXPECT_EQ(ask(from), "refused");
  EXPECT_EQ(ask(to), "2 1 - -");
  EXPECT_TRUE(supervisor_.eventually([&] { return !state_has("\"ends\":true"); }));
}

// Seen: it did not know the old one any more, and a rollback served at the new address.
TEST_F(ListenersTest, TheNextSupervisorOfOneThatWasKilledKnowsOfAMoveThatIsUnderWay) {
  const int from = free_port();
  const int to = free_port();
  start(at(from));
  reload(at(to));
  ASSERT_EQ(supervisor_.upgrade(program("steps-2")).status, 0);
  ASSERT_TRUE(supervisor_.eventually([&] { return state_has("\"ends\":false"); }));
  supervisor_.kill();
  supervisor_.start_again();
  supervisor_.wait_for_status([](const json& status) {
    return status.at("state") == "running" && listener(status, "public").contains("also");
  });
  EXPECT_EQ(listener(supervisor_.status(), "public").at("address"), tcp(to));
  EXPECT_EQ(ask(from), "2 1 - -");
  must({"rollback", "steps"});
  EXPECT_EQ(ask(from), "1 1 - -");
  EXPECT_EQ(listener(supervisor_.status(), "public").at("address"), tcp(from));
  EXPECT_TRUE(refuses(to));
}

}  // namespace
}  // namespace handoff::test
