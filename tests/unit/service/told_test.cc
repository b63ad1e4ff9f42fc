// What was put is the state of a session's stream as long as that session is at rest, and no
// longer.
#include "libhandoff/service/told.h"

#include <gtest/gtest.h>

#include "libhandoff/service/registry.h"

namespace handoff::io {
namespace {

TEST(ToldTest, APutRestsInAFreezeOrWhereOneIsAwaited) {
  Told told;
  told.put(1, {.state = "a"});
  EXPECT_FALSE(told.rests(1)) << "a snapshot";
  told.begin_freeze(100);
  EXPECT_FALSE(told.rests(1)) << "from before the freeze";
  told.put(1, {.state = "b"});
  EXPECT_TRUE(told.rests(1));
  told.end_freeze();
  EXPECT_TRUE(told.rests(1)) << "nobody has told it to go on";
  told.put(1, {.state = "b"});
  EXPECT_TRUE(told.rests(1)) << "twice the same word";
  told.put(2, {.state = "c"});
  EXPECT_FALSE(told.rests(2));
  told.await_rest(2);
  EXPECT_FALSE(told.rests(2)) << "that was before";
  told.put(2, {.state = "d"});
  EXPECT_TRUE(told.rests(2));
}

TEST(ToldTest, ItEndsOnceASessionGoesOnOrAllDo) {
  Told told;
  told.begin_freeze(100);
  told.put(1, {});
  told.put(2, {});
  told.end_freeze();
  told.goes_on(1);
  EXPECT_FALSE(told.rests(1));
  EXPECT_TRUE(told.rests(2));
  told.await_rest(1);
  told.all_go_on();
  EXPECT_FALSE(told.rests(2));
  told.put(1, {});
  EXPECT_FALSE(told.rests(1)) << "nobody waits for it any more";
  told.await_rest(1);
  told.await_no_rest(1);
  told.put(1, {});
  EXPECT_FALSE(told.rests(1));
}

// What it gives is what a save() would have given.
TEST(ToldTest, APutHasALayerAndPositionsLikeASave) {
  Told told;
  Told::State state{.state = "s", .input = "cdef", .output = "xy", .flags = 7, .at = {{2, 30}}};
  state.layer.append("key");
  told.put(1, std::move(state));
  handoff_saved out;
  out.input.begin(core::Stretch{0, 4});  // the heir has the bytes 0 to 3
  out.output.begin(std::nullopt);
  ASSERT_TRUE(told.give(1, out));
  EXPECT_TRUE(out.input.end());
  EXPECT_EQ("ef", out.input.bytes());
  EXPECT_EQ(2U, out.input.drop());
  EXPECT_EQ("xy", out.output.bytes());
  EXPECT_EQ(30U, out.output.placed()->begin);
  EXPECT_EQ("key", out.layer.view());
  EXPECT_EQ(7U, out.flags);
  told.put(1, {.state = "t", .input = "cdef"});
  out.layer.wipe();
  out.input.begin(core::Stretch{0, 4});
  out.output.begin(std::nullopt);
  ASSERT_TRUE(told.give(1, out));
  EXPECT_TRUE(out.input.end());
  EXPECT_EQ("cdef", out.input.bytes()) << "without a position it is all of it";
  EXPECT_TRUE(out.layer.empty()) << "each put replaces all of the one before";
}

// ---- late sessions

class LateTest : public ::testing::Test {
 protected:
  LateTest() {
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    registry_.callbacks.late = [](void*, std::uint64_t) {};
    registry_.callbacks.moved = registry_.callbacks.freeze_session =
        registry_.callbacks.thaw_session = [](void*, std::uint64_t) {};
    declared_.lanes = 1;
    registry_.sessions.add(1, {.no_fd = true});
    registry_.told.put(1, {.state = "old"});
    registry_.told.become_late();
  }
  bool leaves() {
    const auto put = registry_.touch_what_was_put();
    (void)registry_.release_rested(put);
    return !registry_.sessions.at(1).held && registry_.can_leave(1);
  }
  void put() { registry_.told.put(1, {.state = "new"}); }

  Declared declared_;
  Registry registry_{declared_};
};

TEST_F(LateTest, OneThatWasHeldLeavesWithWhatItPutsAfterItsRelease) {
  ASSERT_TRUE(registry_.hold_session(1, true));
  put();
  EXPECT_FALSE(leaves());
  ASSERT_TRUE(registry_.hold_session(1, false));
  EXPECT_FALSE(leaves()) << "a snapshot of one that may have gone on";
  ASSERT_TRUE(registry_.hold_session(1, false));
  EXPECT_FALSE(leaves()) << "a second release is no state";
  put();
  EXPECT_TRUE(leaves());
}

TEST_F(LateTest, AHoldOfTheServiceOutlivesAPut) {
  registry_.await_rest(1, registry_.sessions.at(1));
  ASSERT_TRUE(registry_.hold_session(1, true));
  put();
  EXPECT_FALSE(leaves());
  ASSERT_TRUE(registry_.hold_session(1, false));
  put();
  EXPECT_TRUE(leaves());
}

TEST_F(LateTest, OneThatGoesOnLeavesWithItsNextPut) {
  registry_.await_rest(1, registry_.sessions.at(1));
  put();
  EXPECT_TRUE(leaves());
  registry_.goes_on(1, registry_.sessions.at(1));
  EXPECT_FALSE(leaves());
  put();
  EXPECT_TRUE(leaves());
}

TEST_F(LateTest, OneThatSavesLeavesAsItIs) {
  registry_.callbacks.save = [](void*, std::uint64_t, handoff_saved_t*) { return 0; };
  registry_.sessions.add(2, {.no_fd = true});
  ASSERT_TRUE(registry_.hold_session(2, true));
  ASSERT_TRUE(registry_.hold_session(2, false));
  EXPECT_FALSE(registry_.sessions.at(2).held);
  EXPECT_TRUE(registry_.can_leave(2));
}

}  // namespace
}  // namespace handoff::io
