// Restores whose ends come later (HANDOFF_LATER), as a receiver of sessions takes them.
#include "libhandoff/copy/session_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using ::testing::ElementsAre;

class SessionReceiverTest : public ::testing::Test {
 protected:
  SessionReceiverTest() {
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    registry_.callbacks_user = &dropped_;
    registry_.callbacks.restore =
        registry_.callbacks.update = [](void*, const handoff_adopted*) { return HANDOFF_LATER; };
    registry_.callbacks.drop = [](void* user, std::uint64_t id) {
      static_cast<std::vector<std::uint64_t>*>(user)->push_back(id);
    };
    received_.set_kinds({{.version = 1}});
  }
  Result<void> come(std::uint64_t id) {
    std::string body;
    protocol::append(body, {.id = id, .no_fd = true});
    std::vector<UniqueFd> fds;
    RingReceiver none;
    return received_.apply(body, fds, none);
  }

  std::vector<std::uint64_t> dropped_;
  Declared declared_;
  Registry registry_{declared_};
  SessionReceiver received_{registry_, nullptr};
};

// After a donor's death they are taken as they are; then a restore fails.
TEST_F(SessionReceiverTest, ARestoreThatFailsAfterItsSessionWasAdoptedEndsIt) {
  declared_.lanes = 1;
  for (const std::uint64_t id : {1, 2, 3}) ASSERT_TRUE(come(id));
  EXPECT_EQ(3U, received_.pending());
  received_.adopt();
  EXPECT_TRUE(registry_.restore_ended({1, 0, ""}));
  EXPECT_TRUE(registry_.restore_ended({2, -1, "no"}));
  EXPECT_FALSE(registry_.restore_ended({2, -1, "no"})) << "once";
  EXPECT_FALSE(registry_.restore_ended({9, -1, "no"})) << "of no session";
  EXPECT_THAT(dropped_, ElementsAre(2));
  EXPECT_TRUE(registry_.sessions.contains(1));
  EXPECT_FALSE(registry_.sessions.contains(2));
  EXPECT_THAT(registry_.lost_later, ElementsAre(2));
  registry_.remove_session(3);
  EXPECT_FALSE(registry_.restore_ended({3, -1, "no"})) << "it has ended by itself";
}

TEST_F(SessionReceiverTest, AnAnswerOfBeforeADropIsNoneOfTheNextAttempt) {
  declared_.lanes = 1;
  ASSERT_TRUE(come(1));
  registry_.told.restored(1, 0, "");
  received_.drop();
  EXPECT_THAT(dropped_, ElementsAre(1));
  ASSERT_TRUE(come(1));
  EXPECT_TRUE(registry_.told.take_restored().empty());
  EXPECT_EQ(1U, received_.pending());
}

}  // namespace
}  // namespace handoff::io
