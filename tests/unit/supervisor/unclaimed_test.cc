// What is done with what the release that follows does not claim, by direction and policy.
#include "supervisor/core/unclaimed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/core/way_back.h"

namespace handoff::supervisor {
namespace {

using core::MayLeaveOut;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Policy = UnclaimedPolicy;

constexpr Direction kForward = Direction::kForward;
constexpr Direction kBack = Direction::kBack;
constexpr Direction kBackByItself = Direction::kBackByItself;

TEST(UnclaimedTest, ForwardWhatNobodySpokeOfIsRefusedAndBackItIsLeftOut) {
  EXPECT_EQ(may_leave_out({}, kForward), (MayLeaveOut{false, false, false}));
  EXPECT_EQ(may_leave_out({}, kBack), (MayLeaveOut{true, true, true}));
  EXPECT_EQ(may_leave_out({}, kBackByItself), (MayLeaveOut{true, true, true}));
}

TEST(UnclaimedTest, WhatIsSaidCountsBothWaysButForAReleaseThatGoesBackByItself) {
  const Policy lenient{.listeners = Policy::Listeners::kClose,
                       .sections = Policy::Sections::kDrop,
                       .sessions = Policy::Sessions::kLate};
  const Policy strict{.listeners = Policy::Listeners::kRefuse,
                      .sections = Policy::Sections::kRefuse,
                      .sessions = Policy::Sessions::kRefuse};
  for (const Direction direction : {kForward, kBack}) {
    EXPECT_EQ(may_leave_out(lenient, direction), (MayLeaveOut{true, true, true}));
    EXPECT_EQ(may_leave_out(strict, direction), (MayLeaveOut{false, false, false}));
  }
  EXPECT_EQ(may_leave_out(strict, kBackByItself), (MayLeaveOut{true, true, true}));
  EXPECT_TRUE(may_leave_out({.listeners = Policy::Listeners::kKeep}, kForward).listeners);
}

TEST(UnclaimedTest, AListenerIsKeptWhereTheSupervisorHasItUnlessItIsToBeClosed) {
  const core::LeftOut admin{core::Sort::kListener, "admin"};
  EXPECT_EQ(fate_of(admin, {}, true), Fate::kKept);
  EXPECT_EQ(fate_of(admin, {}, false), Fate::kClosed);
  EXPECT_EQ(fate_of(admin, {.listeners = Policy::Listeners::kClose}, true), Fate::kClosed);
  EXPECT_EQ(fate_of({core::Sort::kSection, "rooms"}, {}, false), Fate::kDropped);
  EXPECT_EQ(fate_of({core::Sort::kRegion, "rooms"}, {}, false), Fate::kDropped);
  EXPECT_EQ(fate_of({core::Sort::kFd, "log"}, {}, false), Fate::kDropped);
  const core::LeftOut bulk{core::Sort::kSessions, "bulk", 1};
  EXPECT_EQ(fate_of(bulk, {}, false), Fate::kLate);
  EXPECT_EQ(tell(bulk, Fate::kLate), "session kind 'bulk': 1 session stays with the old release");
  EXPECT_EQ(tell(admin, Fate::kKept),
            "listener 'admin' is kept: nobody accepts on it until a release claims it");
}

TEST(UnclaimedTest, AListenerIsClosedOnceNobodyCanGoBackAndNotBefore) {
  const Policy close{.listeners = Policy::Listeners::kClose};
  const std::vector<std::string> here{"public", "admin"};
  const Claims runs{{"public"}};
  EXPECT_THAT(to_close(close, here, runs, true), ElementsAre("admin"));
  EXPECT_THAT(to_close(close, here, runs, false), IsEmpty()) << "it is on probation";
  EXPECT_THAT(to_close({}, here, runs, true), IsEmpty());
  EXPECT_THAT(to_close(close, here, std::nullopt, true), IsEmpty()) << "nobody knows";
  EXPECT_THAT(to_close(close, here, Claims{std::vector<std::string>{}}, true), IsEmpty())
      << "it names none, so it gets all";
}

TEST(UnclaimedTest, AListenerThatAReleaseWantsClosedIsClosedWhateverThePolicy) {
  const std::vector<std::string> here{"public", "admin", "old"};
  const Claims runs{{"public"}};
  EXPECT_THAT(to_close({}, here, runs, true, {"old"}), ElementsAre("old"));
  EXPECT_THAT(to_close({}, here, runs, false, {"old"}), IsEmpty()) << "it is on probation";
  EXPECT_THAT(to_close({}, here, runs, true, {"public"}), IsEmpty()) << "it has claimed it, too";
  const core::LeftOut old{core::Sort::kListener, "old"};
  EXPECT_EQ(fate_of(old, {}, true, true), Fate::kClosed);
}

// ---- the way back

core::Kind kind(const std::string& name, std::vector<std::uint32_t> reads,
                std::vector<std::uint32_t> writes) {
  return {.name = name, .version = reads.back(), .reads = reads, .writes = writes};
}
core::Named listener(const std::string& name) { return {.name = name, .address = "tcp:[::]:1"}; }
core::Manifest manifest(const std::string& release, std::vector<core::Kind> kinds,
                        std::vector<core::Named> named) {
  return {.service = "chat",
          .release = release,
          .kinds = std::move(kinds),
          .named = std::move(named),
          .knows_listeners = true};
}

TEST(UnclaimedTest, WhatAReleaseGivesBackItHasNotForgotten) {
  const core::Manifest donor = manifest("1.0", {}, {listener("public"), listener("admin")});
  const core::Manifest heir = manifest("2.0", {}, {listener("public")});
  EXPECT_TRUE(gives_all_back(donor, heir, {"admin"}));
  EXPECT_FALSE(gives_all_back(donor, heir, {}));
  EXPECT_FALSE(gives_all_back(donor, heir, {"other"}));
  core::Manifest more = donor;
  more.named.push_back(listener("third"));
  EXPECT_FALSE(gives_all_back(more, heir, {"admin"})) << "it has forgotten the third";
  core::Manifest with_fd = donor;
  with_fd.named.push_back({.name = "log"});
  EXPECT_TRUE(gives_all_back(with_fd, heir, {"admin"})) << "that is no listener";
}

const core::Manifest kOld = manifest("1.0", {kind("session", {1}, {1})}, {listener("public")});

TEST(WayBackTest, WhatAReleaseAddsIsNothingAgainstIt) {
  const auto newer = manifest("2.0",
                              {kind("session", {1, 2}, {1, 2}),
                               kind("bulk", {1}, {1}),
                               {.name = "rooms", .section = true, .reads = {1}, .writes = {1}}},
                              {listener("public"), listener("admin"), {.name = "log"}});
  const WayBack back = way_back(newer, kOld, may_leave_out({}, kBackByItself), false);
  EXPECT_THAT(back.against, IsEmpty());
  EXPECT_EQ(back.leaves.size(), 3U) << "a claim that nobody can meet is no fd to give";
  EXPECT_EQ(one_way(newer, kOld, {}, false), "");
}

TEST(WayBackTest, AStepThatIsMissingIsOneWay) {
  const auto newer =
      manifest("2.0", {kind("session", {1, 2}, {2})}, {listener("public"), listener("admin")});
  EXPECT_THAT(one_way(newer, kOld, {}, false),
              HasSubstr("there is no way back by a handoff from release 2.0 to release 1.0: no "
                        "state version in common for session kind 'session'"));
  EXPECT_EQ(one_way(newer, kOld, {}, true), "") << "the sessions may stay with it";
}

TEST(WayBackTest, ARegionKeepsItsLayoutUntilTheServiceRewritesIt) {
  auto older = kOld;
  auto newer = kOld;
  older.kinds.push_back(
      {.name = "table", .version = 1, .reads = {1}, .writes = {1}, .region = true});
  newer.kinds.push_back(
      {.name = "table", .version = 2, .reads = {1, 2}, .writes = {2}, .region = true});
  EXPECT_EQ(one_way(newer, older, {}, false), "");
  EXPECT_FALSE(way_back(newer, older, may_leave_out({}, kBack), false).against.empty())
      << "once it has";
}

TEST(WayBackTest, WhatWouldFailAnywayIsNotCalledOneWay) {
  const auto other = manifest("2.0", {kind("session", {2}, {2})}, {listener("public")});
  EXPECT_EQ(one_way(other, kOld, {}, false), "") << "it reads no version that the old one writes";
  auto service = kOld;
  service.service = "kv";
  EXPECT_EQ(one_way(service, kOld, {}, false), "");
  const auto forgetful = manifest("2.0", {kind("session", {1, 2}, {2})}, {listener("other")});
  EXPECT_EQ(one_way(forgetful, kOld, {}, false), "") << "it does not claim the listener";
  EXPECT_NE(one_way(forgetful, kOld, {.listeners = Policy::Listeners::kClose}, false), "");
}

TEST(WayBackTest, AReleaseThatSaysNothingOfItselfHasOne) {
  const core::Manifest bare{.service = "chat", .release = "1.0"};
  EXPECT_EQ(one_way(bare, bare, {}, false), "");
  EXPECT_EQ(one_way(kOld, kOld, {}, false), "");
}

TEST(UnmovableForTest, NobodyGoesBackByItselfToARefusal) {
  using core::Unmovable;
  for (const Direction direction : {Direction::kForward, Direction::kBack}) {
    for (const Unmovable one : {Unmovable::kRefuse, Unmovable::kLate, Unmovable::kClose}) {
      EXPECT_EQ(unmovable_for(one, direction), one);
    }
  }
  EXPECT_EQ(unmovable_for(Unmovable::kRefuse, Direction::kBackByItself), Unmovable::kClose);
  EXPECT_EQ(unmovable_for(Unmovable::kLate, Direction::kBackByItself), Unmovable::kLate);
  EXPECT_EQ(unmovable_for(Unmovable::kClose, Direction::kBackByItself), Unmovable::kClose);
}

}  // namespace
}  // namespace handoff::supervisor
