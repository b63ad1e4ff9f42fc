// Listeners in motion: what is bound for an heir, what it gets, and which of two sockets stays.
#include <gtest/gtest.h>
#include <poll.h>
#include <uv.h>

#include "listener_tools.h"
#include "supervisor/listeners/listener_ends.h"
#include "supervisor/listeners/listeners.h"

namespace handoff::supervisor {
namespace {

// A listener that moves from one address to another: before an upgrade, `moves` is bound for none.
class MovingTest : public testing::Test {
 protected:
  MovingTest() {
    EXPECT_TRUE(listeners_.bind_missing());
    donor_ = report(*listeners_.here()[0]);
    listeners_.want({named("a", "tcp:127.0.0.2:0")}, true);
  }
  // As a process reports the listener.
  static std::vector<NamedFd> report(const Listener& one) {
    return list(NamedFd{one.name(), one.address(), one.inode(), one.device()});
  }
  // named: null where the owner has not reported yet.
  void follow(const std::vector<NamedFd>* named, bool permanent = true,
              const UnclaimedPolicy& policy = {}) {
    listeners_.follow({.named = named,
                       .release = release_,
                       .claims = claims_,
                       .drops = drops_,
                       .permanent = permanent},
                      policy);
  }
  std::string address() const { return listeners_.here()[0]->address(); }
  static bool is_at(const Listener* one, const std::string& host) {
    return one != nullptr && one->address().find(host) != std::string::npos;
  }

  const std::string release_ = "2.0";
  Claims claims_;
  std::vector<std::string> drops_;
  Notify notify_;
  Listeners listeners_{"chat", {named("a", "tcp:127.0.0.1:0")}, notify_};
  std::vector<NamedFd> donor_;
};

TEST_F(MovingTest, NothingMovesBeforeAnUpgrade) {
  EXPECT_NE(address().find("127.0.0.1"), std::string::npos);
  ASSERT_TRUE(listeners_.bind_missing()) << "a crash is none";
  EXPECT_NE(address().find("127.0.0.1"), std::string::npos);
  EXPECT_TRUE(listeners_.take_replaced().empty());
}

TEST_F(MovingTest, AnHeirThatGoesForwardGetsTheNewOneAndTheOldOneBesideIt) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto its = listeners_.for_heir(donor_, true);
  EXPECT_TRUE(its.kept.empty());
  ASSERT_EQ(its.moved.size(), 1U);
  EXPECT_TRUE(is_at(its.moved[0], "127.0.0.2"));
  ASSERT_EQ(its.before.size(), 1U);
  EXPECT_TRUE(is_at(its.before[0], "127.0.0.1"));
  const auto heir = report(*its.moved[0]);
  EXPECT_TRUE(is_at(listeners_.here(heir)[0], "127.0.0.2"));
  EXPECT_TRUE(is_at(listeners_.other("a", heir), "127.0.0.1"));
  EXPECT_TRUE(is_at(listeners_.here(donor_)[0], "127.0.0.1"));
  EXPECT_TRUE(is_at(listeners_.other("a", donor_), "127.0.0.2"));
  // Its own heir, if the configuration has not changed, has nothing to do with it.
  ASSERT_TRUE(listeners_.bind_for_heir(heir, true));
  EXPECT_TRUE(listeners_.for_heir(heir, true).moved.empty());
  // One that goes back gets the old one in place of the new one.
  const auto back = listeners_.for_heir(heir, false);
  ASSERT_EQ(back.moved.size(), 1U);
  EXPECT_TRUE(is_at(back.moved[0], "127.0.0.1"));
  ASSERT_EQ(back.before.size(), 1U);
  EXPECT_TRUE(is_at(back.before[0], "127.0.0.2"));
}

TEST_F(MovingTest, OnceThatIsPermanentTheOldOneIsGivenUp) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto heir = report(*listeners_.for_heir(donor_, true).moved[0]);
  listeners_.settle(heir);
  EXPECT_NE(address().find("127.0.0.2"), std::string::npos);
  const auto replaced = listeners_.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_TRUE(is_at(&replaced[0], "127.0.0.1"));
  EXPECT_EQ(listeners_.other("a", heir), nullptr);
  EXPECT_TRUE(listeners_.take_replaced().empty());
}

// Its donor's word made it the owner. Seen: the socket that it served on was given up.
TEST_F(MovingTest, AnOwnerThatHasReportedNothingYetLosesNothing) {
  listeners_.want({named("a", "tcp:127.0.0.2:0"), named("b", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto heir = report(*listeners_.for_heir(donor_, true).moved[0]);
  claims_ = {"a"};
  const UnclaimedPolicy close{.listeners = UnclaimedPolicy::Listeners::kClose};
  follow(nullptr, true, close);
  EXPECT_TRUE(listeners_.take_replaced().empty());
  EXPECT_NE(listeners_.other("a", heir), nullptr);
  EXPECT_TRUE(listeners_.has("b"));
  follow(&heir, true, close);
  const auto replaced = listeners_.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_TRUE(is_at(&replaced[0], "127.0.0.1"));
  EXPECT_FALSE(listeners_.has("b"));
}

TEST_F(MovingTest, AnHeirThatDidNotTakeTheNewOneStaysWhereItIs) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  listeners_.settle(donor_);
  EXPECT_NE(address().find("127.0.0.1"), std::string::npos);
  const auto replaced = listeners_.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_TRUE(is_at(&replaced[0], "127.0.0.2"));
}

// An older library takes its donor's. Seen: the old address, to which the service had gone back,
// was ended.
TEST_F(MovingTest, WhoHasGoneBackAndHasTheNewOneKeepsBothForTheNextUpgrade) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto heir = report(*listeners_.for_heir(donor_, true).moved[0]);
  listeners_.settle(heir, true);
  listeners_.settle(heir, true);
  EXPECT_TRUE(listeners_.take_replaced().empty());
  EXPECT_TRUE(is_at(listeners_.other("a", heir), "127.0.0.1"));
  ASSERT_TRUE(listeners_.bind_for_heir(heir, true));
  const auto next = listeners_.for_heir(heir, true);
  EXPECT_TRUE(next.moved.empty());
  ASSERT_EQ(next.before.size(), 1U);
  EXPECT_TRUE(is_at(next.before[0], "127.0.0.1")) << "who waits is accepted";
  listeners_.heir_failed(heir);
  EXPECT_NE(listeners_.other("a", heir), nullptr);
  listeners_.settle(heir);
  EXPECT_EQ(listeners_.take_replaced().size(), 1U);
}

// Seen: what the file named was ended.
TEST_F(MovingTest, AReloadThatTakesTheMoveBackOnProbationKeepsBothForTheNextUpgrade) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto heir = report(*listeners_.for_heir(donor_, true).moved[0]);
  listeners_.want({named("a", "tcp:127.0.0.1:0")}, true);
  for (int i = 0; i < 2; ++i) {
    listeners_.settle(heir);
    EXPECT_TRUE(listeners_.take_replaced().empty());
    EXPECT_TRUE(is_at(listeners_.here(heir)[0], "127.0.0.2"));
    EXPECT_TRUE(is_at(listeners_.other("a", heir), "127.0.0.1"));
    ASSERT_TRUE(listeners_.bind_for_heir(heir, true));
    if (i == 0) listeners_.heir_failed(heir);
  }
  const auto next = listeners_.for_heir(heir, true);
  ASSERT_EQ(next.moved.size(), 1U);
  EXPECT_TRUE(is_at(next.moved[0], "127.0.0.1"));
  ASSERT_EQ(next.before.size(), 1U);
  const auto third = report(*next.moved[0]);
  listeners_.settle(third);
  const auto replaced = listeners_.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_TRUE(is_at(&replaced[0], "127.0.0.2"));
  EXPECT_TRUE(is_at(listeners_.here(third)[0], "127.0.0.1"));
}

TEST_F(MovingTest, WhatWasBoundForAnHeirThatFailedIsGivenUp) {
  listeners_.want({named("a", "tcp:127.0.0.2:0"), named("b", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  ASSERT_TRUE(listeners_.has("b"));
  ASSERT_EQ(listeners_.for_heir(donor_, true).kept.size(), 1U);
  listeners_.heir_failed(donor_);
  EXPECT_FALSE(listeners_.has("b"));
  EXPECT_TRUE(listeners_.take_replaced().empty()) << "nobody has accepted on it";
  EXPECT_EQ(listeners_.other("a", donor_), nullptr);
  EXPECT_NE(address().find("127.0.0.1"), std::string::npos);
}

TEST_F(MovingTest, AStartFromNothingBeginsWhereTheMoveBegan) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  ASSERT_TRUE(listeners_.bind_missing());
  EXPECT_NE(address().find("127.0.0.1"), std::string::npos);
  EXPECT_EQ(listeners_.take_replaced().size(), 1U);
}

TEST_F(MovingTest, ARehearsalBindsNothingAndSaysWhatCantBeBound) {
  listeners_.want({named("a", "tcp:127.0.0.2:0"), named("b", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, false));
  const auto its = listeners_.for_heir(donor_, true);
  EXPECT_TRUE(its.moved.empty());
  EXPECT_TRUE(its.kept.empty());
  ASSERT_EQ(its.missing.size(), 1U);
  EXPECT_EQ(its.missing[0].name, "b");
  const UniqueFd taken = bound("tcp:127.0.0.1:0");
  listeners_.want({named("a", address_of(taken))}, true);
  for (const bool really : {false, true}) {
    const auto result = listeners_.bind_for_heir(donor_, really);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message.find("listener a: binding " + address_of(taken)), 0U)
        << result.error().message;
  }
  EXPECT_TRUE(listeners_.take_replaced().empty());
}

TEST_F(MovingTest, AllOrNothingIsBound) {
  const UniqueFd taken = bound("tcp:127.0.0.1:0");
  listeners_.want(
      {named("a", "tcp:127.0.0.2:0"), named("b", "tcp:127.0.0.1:0"), named("c", address_of(taken))},
      true);
  ASSERT_FALSE(listeners_.bind_for_heir(donor_, true));
  EXPECT_FALSE(listeners_.has("b"));
  EXPECT_EQ(listeners_.other("a", donor_), nullptr);
}

TEST_F(MovingTest, WhatNobodyHadIsNewUntilTheHeirIsPermanentOrHasFailed) {
  listeners_.want({named("a", "tcp:127.0.0.1:0"), named("b", "tcp:127.0.0.1:0")}, true);
  EXPECT_TRUE(listeners_.new_names().empty());
  for (const bool failed : {true, false}) {
    ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
    EXPECT_EQ(listeners_.new_names(), (std::vector<std::string>{"b"}));
    failed ? listeners_.heir_failed(donor_) : listeners_.settle(donor_);
    EXPECT_TRUE(listeners_.new_names().empty());
    EXPECT_EQ(listeners_.has("b"), !failed);
  }
}

// An older library binds one of its own in place of the one that it is given.
TEST_F(MovingTest, ANewOneOfWhichTheHeirHasItsOwnIsClosedAndNoOther) {
  listeners_.want(
      {named("a", "tcp:127.0.0.1:0"), named("b", "tcp:127.0.0.1:0"), named("c", "tcp:127.0.0.1:0")},
      true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  ASSERT_EQ(listeners_.here().size(), 3U);
  const Listener& taken = *listeners_.here()[1];
  std::vector<NamedFd> heir = report(taken);
  heir.push_back(NamedFd{"a", "tcp:127.0.0.3:1", taken.inode() + 1, taken.device()});
  heir.push_back(NamedFd{"c", "tcp:127.0.0.3:2", taken.inode() + 2, taken.device()});
  listeners_.close_untaken(heir);
  EXPECT_EQ(listeners_.names(), (std::vector<std::string>{"a", "b"})) << "a was there before";
  listeners_.close_untaken({});
  EXPECT_TRUE(listeners_.has("b")) << "nobody has it: it is kept";
}

// ::1 may be written in many ways, and port 0 is any port.
TEST_F(MovingTest, AnAddressThatIsWrittenInAnotherWayIsNone) {
  const UniqueFd there = bound("tcp:[::1]:0");
  const std::string address = address_of(there);
  Listeners listeners("chat", {named("a", address)}, notify_);
  std::vector<NamedFd> donor = list(shown("a", there));
  listeners.take_shown(donor);
  ASSERT_TRUE(listeners.has("a"));
  const std::string port = address.substr(address.rfind(':'));
  for (const std::string& same : {"tcp:[0:0:0:0:0:0:0:1]" + port, std::string("tcp:[::1]:0")}) {
    listeners.want({named("a", same)}, true);
    ASSERT_TRUE(listeners.bind_for_heir(donor, true)) << same;
    EXPECT_TRUE(listeners.for_heir(donor, true).moved.empty()) << same;
  }
  listeners.want({named("a", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners.bind_for_heir(donor, true));
  EXPECT_EQ(listeners.for_heir(donor, true).moved.size(), 1U);
}

TEST_F(MovingTest, OneThatHasNotEndedYetIsTakenUpAgain) {
  const UniqueFd free = bound("tcp:127.0.0.2:0");
  const std::string there = address_of(free);
  listeners_.want({named("a", there)}, true);
  ListenerEnds ends(uv_default_loop(), "chat");
  auto listener = Listener::adopt(named("a", there), copy_of(free));
  ASSERT_TRUE(listener);
  ends.end(std::move(*listener));
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, false, &ends));
  ASSERT_EQ(ends.all().size(), 1U);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true, &ends));
  EXPECT_TRUE(ends.all().empty());
  const auto moved = listeners_.for_heir(donor_, true).moved;
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved[0]->inode(), io::identity_of(free.get())->inode);
  // A client gets a connection.
  const auto client = io::connect_address(*core::parse_address(there));
  ASSERT_TRUE(client);
  pollfd queue{free.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&queue, 1, 5000), 1);
}

TEST_F(MovingTest, TheAddressMayChangeBackAndThenNothingMoves) {
  listeners_.want({named("a", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  EXPECT_TRUE(listeners_.for_heir(donor_, true).moved.empty());
}

TEST_F(MovingTest, OneThatIsKeptForNobodyMovesForTheHeirThatClaimsIt) {
  ASSERT_TRUE(listeners_.bind_for_heir({}, true));
  const auto its = listeners_.for_heir({}, true);
  ASSERT_EQ(its.kept.size(), 1U);
  EXPECT_TRUE(is_at(its.kept[0], "127.0.0.2"));
  ASSERT_EQ(its.before.size(), 1U);
  EXPECT_TRUE(is_at(its.before[0], "127.0.0.1")) << "clients may wait there";
  EXPECT_TRUE(its.moved.empty());
}

TEST_F(MovingTest, AReloadOfAServiceThatIsStoppedClosesIt) {
  listeners_.want({named("a", "tcp:127.0.0.2:0")}, false);
  EXPECT_TRUE(listeners_.here().empty());
  ASSERT_TRUE(listeners_.bind_missing());
  EXPECT_NE(address().find("127.0.0.2"), std::string::npos);
}

// Seen: the service that had crashed was not started again.
TEST_F(MovingTest, WhatTheReleaseNeverHadFailsNoStart) {
  const UniqueFd taken = bound("tcp:127.0.0.1:0");
  listeners_.want({named("b", address_of(taken)), named("a", "tcp:127.0.0.1:0")}, true);
  EXPECT_FALSE(listeners_.bind_missing()) << "another release may have it in mind";
  EXPECT_TRUE(listeners_.bind_missing({}, {}, true)) << "a reload has added it";
  EXPECT_EQ(listeners_.names(), (std::vector<std::string>{"a"}));
  // The next supervisor finds it in the file.
  Listeners next("chat", {named("b", address_of(taken)), named("a", "tcp:127.0.0.1:0")}, notify_);
  const Claims all;
  const Claims one = std::vector<std::string>{"a"};
  const Claims both = std::vector<std::string>{"a", "b"};
  EXPECT_FALSE(next.bind_missing({}, all, true));
  EXPECT_FALSE(next.bind_missing({}, both, true));
  ASSERT_TRUE(next.bind_missing({}, one, true));
  EXPECT_EQ(next.names(), (std::vector<std::string>{"a"}));
}

TEST_F(MovingTest, WhatAReleaseHasHadIsNeededFromThenOn) {
  const UniqueFd taken = bound("tcp:127.0.0.1:0");
  const std::string there = address_of(taken);
  listeners_.want({named("a", "tcp:127.0.0.1:0"), named("b", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  listeners_.settle(donor_);
  listeners_.close("b");
  listeners_.want({named("a", "tcp:127.0.0.1:0"), named("b", there)}, true);
  EXPECT_FALSE(listeners_.bind_missing({}, {}, true));
}

// Under another supervisor than the one that refused the new name: the process shows the old one.
TEST_F(MovingTest, AnAddressThatTheDonorHasByAnotherNameIsNotBound) {
  const UniqueFd web = bound("tcp:127.0.0.1:0");
  Listeners listeners("chat", {named("public", address_of(web))}, notify_);
  const auto donor = list(shown("web", web));
  for (const bool really : {false, true}) {
    EXPECT_TRUE(listeners.bind_for_heir(donor, really));
    EXPECT_TRUE(listeners.here().empty());
    EXPECT_TRUE(listeners.for_heir(donor, true).missing.empty());
  }
  listeners.want({named("public", "tcp:127.0.0.1:0")}, true);
  ASSERT_TRUE(listeners.bind_for_heir(donor, true)) << "any port is another one";
  EXPECT_TRUE(listeners.has("public"));
}

// A supervisor died in mid-handoff. The donor has shown the socket at the old address to the next
// one, and the heir, which owns by now, has the other one.
class MovedBeforeTest : public MovingTest {
 protected:
  MovedBeforeTest() {
    auto first = list(shown("a", from_));
    listeners_.take_shown(first);
    donor_ = list(shown("a", from_));
    owner_ = list(shown("a", to_));
  }
  const UniqueFd from_ = bound("tcp:127.0.0.1:0");
  const UniqueFd to_ = bound("tcp:127.0.0.2:0");
  Notify notify_;
  Listeners listeners_{"chat", {named("a", address_of(to_))}, notify_};
  std::vector<NamedFd> owner_;
};

TEST_F(MovedBeforeTest, AnHeirThatShowsTheNewOneHasMoved) {
  auto again = list(shown("a", from_));
  listeners_.take_shown(again);
  EXPECT_EQ(listeners_.other("a", owner_), nullptr) << "that one is known";
  auto second = list(shown("a", to_));
  listeners_.take_shown(second);
  EXPECT_TRUE(is_at(listeners_.here(owner_)[0], "127.0.0.2"));
  EXPECT_TRUE(is_at(listeners_.other("a", owner_), "127.0.0.1"));
  listeners_.settle(owner_);
  const auto replaced = listeners_.take_replaced();
  ASSERT_EQ(replaced.size(), 1U);
  EXPECT_TRUE(is_at(&replaced[0], "127.0.0.1"));
  EXPECT_TRUE(is_at(listeners_.here(owner_)[0], "127.0.0.2"));
}

// An older library does not show it. Seen: the supervisor tried to bind it, at each upgrade.
TEST_F(MovedBeforeTest, WhatTheDonorHasThereAlreadyIsNotBound) {
  for (const bool really : {false, true}) {
    const auto result = listeners_.bind_for_heir(owner_, really);
    EXPECT_TRUE(result) << result.error().message;
  }
  EXPECT_TRUE(listeners_.for_heir(owner_, true).moved.empty());
}

TEST_F(MovingTest, TheNextSupervisorIsGivenBoth) {
  ASSERT_TRUE(listeners_.bind_for_heir(donor_, true));
  const auto fds = listeners_.fds();
  ASSERT_EQ(fds.size(), 2U);
  EXPECT_NE(io::bound_address(fds.at("a"))->find("127.0.0.2"), std::string::npos);
  EXPECT_NE(io::bound_address(fds.at(std::string("a") + kBefore))->find("127.0.0.1"),
            std::string::npos);
}

}  // namespace
}  // namespace handoff::supervisor
