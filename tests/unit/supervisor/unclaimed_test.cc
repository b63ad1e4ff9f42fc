// What is done with what the release that follows does not claim, by direction and policy.
#include "supervisor/core/unclaimed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using core::MayLeaveOut;
using ::testing::ElementsAre;
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

core::Named a_listener(const std::string& name) { return {.name = name, .address = "tcp:[::]:1"}; }
core::Manifest release_with(const std::string& release, std::vector<core::Named> named) {
  return {
      .service = "chat", .release = release, .named = std::move(named), .knows_listeners = true};
}

TEST(UnclaimedTest, WhatAReleaseGivesBackItHasNotForgotten) {
  const core::Manifest donor = release_with("1.0", {a_listener("public"), a_listener("admin")});
  const core::Manifest heir = release_with("2.0", {a_listener("public")});
  EXPECT_TRUE(gives_all_back(donor, heir, {"admin"}));
  EXPECT_FALSE(gives_all_back(donor, heir, {}));
  EXPECT_FALSE(gives_all_back(donor, heir, {"other"}));
  core::Manifest more = donor;
  more.named.push_back(a_listener("third"));
  EXPECT_FALSE(gives_all_back(more, heir, {"admin"})) << "it has forgotten the third";
  core::Manifest with_fd = donor;
  with_fd.named.push_back({.name = "log"});
  EXPECT_TRUE(gives_all_back(with_fd, heir, {"admin"})) << "that is no listener";
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
