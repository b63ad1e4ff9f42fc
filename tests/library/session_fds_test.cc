// The fds that belong to a session beside its socket go where the session goes, each of them once:
// in the copy, in the freeze, over a link, or not at all.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "fd_service.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

class SessionFdsTest : public ::testing::Test {
 protected:
  FdServiceOptions service(const std::string& version) const {
    FdServiceOptions options;
    options.version = version;
    options.folder = dir_.path();
    return options;
  }
  FdServiceOptions holding(const std::string& version) const {
    FdServiceOptions options = service(version);
    options.holds = true;
    return options;
  }
  void start(const FdServiceOptions& options) {
    donor_ = std::make_unique<ServiceProcess>(++generation_,
                                              [options] { return run_fd_service(options); });
    address_ = donor_->await_message<v1::Owner>(Type::kOwner).named(0).address();
    client_ = std::make_unique<LineClient>(address_);
  }
  void begin(const FdServiceOptions& options, const Terms& terms = {}) {
    heir_ = start_heir(
        *donor_, ++generation_, [options] { return run_fd_service(options); }, terms);
  }
  v1::Owner hand_over(const FdServiceOptions& options, const Terms& terms = {}) {
    begin(options, terms);
    return heir_->await_message<v1::Owner>(Type::kOwner);
  }
  // The donor has gone; the heir is the next one.
  void change_over() {
    EXPECT_EQ(0, donor_->wait());
    donor_ = std::move(heir_);
  }
  std::string ask(const std::string& line) { return client_->ask(line); }

  TempDir dir_;
  std::uint64_t generation_ = 0;
  std::unique_ptr<ServiceProcess> donor_;
  std::unique_ptr<ServiceProcess> heir_;
  std::string address_;
  std::unique_ptr<LineClient> client_;
};

// ---- each kind of fd ---------------------------------------------------------------------------

class EachKindTest : public SessionFdsTest, public ::testing::WithParamInterface<KindOfFd> {};
INSTANTIATE_TEST_SUITE_P(Kinds, EachKindTest, ::testing::ValuesIn(kinds_of_fd()),
                         [](const auto& of) { return std::string(of.param.name); });

TEST_P(EachKindTest, IsUsedByTheHeirWhereTheDonorLeftIt) {
  const std::string kind = GetParam().name;
  start(service("1"));
  ASSERT_EQ("opened", ask("open " + kind));
  EXPECT_EQ(1U, hand_over(service("2")).sessions());
  change_over();
  EXPECT_EQ("2", ask("who"));
  EXPECT_EQ(GetParam().answer, ask("use " + kind));
}

// ---- when they go ------------------------------------------------------------------------------

struct Case {
  bool early = false;
  bool tracked = true;
};
void PrintTo(const Case& of, std::ostream* out) {
  *out << (of.early ? "Early" : "Late") << (of.tracked ? "Tracked" : "Untracked");
}
class EachWayTest : public SessionFdsTest, public ::testing::WithParamInterface<Case> {
 protected:
  FdServiceOptions way(const std::string& version) const {
    FdServiceOptions options = service(version);
    options.early_restore = GetParam().early;
    options.tracked = GetParam().tracked;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, EachWayTest,
                         ::testing::Values(Case{false, true}, Case{true, true}, Case{false, false},
                                           Case{true, false}),
                         ::testing::PrintToStringParamName());

TEST_P(EachWayTest, AnotherOneOfTheNameTakesItsPlaceInTheFreeze) {
  start(way("1"));
  ASSERT_EQ("opened", ask("open memfd"));
  ASSERT_EQ("will swap", ask("swap"));
  for (int i = 2; i < 5; ++i) {
    hand_over(way(std::to_string(i)));
    change_over();
    ASSERT_EQ("another", ask("use memfd"));
    ASSERT_EQ("1", ask("memfds")) << "what it had before is closed";
  }
}

TEST_P(EachWayTest, OneThatIsOverIsNotTheHeirs) {
  start(way("1"));
  ASSERT_EQ("filled", ask("fill 5"));
  ASSERT_EQ("dropped", ask("drop memfd3"));
  hand_over(way("2"));
  change_over();
  EXPECT_EQ("4", ask("memfds"));
}

TEST_P(EachWayTest, MoreThanAFrameHoldsGoInSeveral) {
  start(way("1"));
  std::vector<std::unique_ptr<LineClient>> others;
  for (int i = 0; i < 20; ++i) {
    others.push_back(std::make_unique<LineClient>(address_));
    ASSERT_EQ("filled", others.back()->ask("fill 32"));
  }
  EXPECT_EQ(21U, hand_over(way("2")).sessions());
  change_over();
  EXPECT_EQ("640", ask("memfds"));
  EXPECT_EQ("yes", others.back()->ask("hello"));
}

TEST_P(EachWayTest, AFailedHandoffLeavesThemWithTheDonor) {
  start(way("1"));
  ASSERT_EQ("filled", ask("fill 5"));
  ASSERT_EQ("opened", ask("open pipe"));
  FdServiceOptions refusing = way("2");
  refusing.takes = false;
  begin(refusing);
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_TRUE(failed.of_peer());
  EXPECT_THAT(failed.reason(), HasSubstr("did not take its fd '"));
  EXPECT_EQ(3, heir_->wait());
  EXPECT_EQ("1", ask("who"));
  EXPECT_EQ("in the pipe", ask("use pipe"));
  EXPECT_EQ("5", ask("memfds"));
  // And the next one gets them.
  hand_over(way("3"));
  change_over();
  EXPECT_EQ("5", ask("memfds"));
}

TEST_P(EachWayTest, ARehearsalTakesThemAndGivesThemBack) {
  start(way("1"));
  ASSERT_EQ("opened", ask("open pipe"));
  begin(way("2"), {.rehearsal = true});
  const auto said = heir_->await_message<v1::Rehearsed>(Type::kRehearsed);
  EXPECT_EQ(1U, said.passed());
  EXPECT_EQ(0, said.findings_size());
  EXPECT_EQ(3, heir_->wait());
  donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ("in the pipe", ask("use pipe"));
}

TEST_P(EachWayTest, ASessionWithoutASocketGoesWithItsStateAndItsFds) {
  start(way("1"));
  ASSERT_EQ("parked", ask("park anna"));
  ASSERT_EQ("parked", ask("park ben"));
  EXPECT_EQ(3U, hand_over(way("2")).sessions());
  change_over();
  EXPECT_EQ("anna: of anna;ben: of ben;", ask("parked"));
  hand_over(way("3"));
  change_over();
  EXPECT_EQ("anna: of anna;ben: of ben;", ask("parked"));
}

// ---- over a link, and not at all ---------------------------------------------------------------

TEST_F(SessionFdsTest, ThoseOfASessionThatWasHeldComeLater) {
  start(holding("1"));
  ASSERT_EQ("opened", ask("open pipe"));
  ASSERT_EQ("filled", ask("fill 30"));
  ASSERT_EQ("yes", ask("hold"));
  hand_over(holding("2"));
  EXPECT_EQ("1", ask("who"));
  ASSERT_EQ("yes", ask("release"));
  donor_->await_message<v1::Retired>(Type::kRetired);
  change_over();
  EXPECT_EQ("2", ask("who"));
  EXPECT_EQ("in the pipe", ask("use pipe"));
  EXPECT_EQ("30", ask("memfds"));
}

TEST_F(SessionFdsTest, AReleaseThatDoesNotTakeThemLeavesTheSessionWhereItIs) {
  start(holding("1"));
  ASSERT_EQ("opened", ask("open pipe"));
  // The release's fault would be one more than half.
  LineClient plain(address_);
  ASSERT_EQ("1", plain.ask("who"));
  FdServiceOptions refusing = holding("2");
  refusing.takes = false;
  hand_over(refusing, {.unmovable = v1::UNMOVABLE_LATE});
  const auto late = donor_->await_message<v1::Late>(Type::kLate);
  ASSERT_EQ(1, late.unmoved_size());
  EXPECT_EQ(v1::FAULT_OF_NEW, late.unmoved(0).fault());
  EXPECT_THAT(late.unmoved(0).reason(), HasSubstr("handoff_take_fd()"));
  EXPECT_EQ("2", plain.ask("who"));
  EXPECT_EQ("1", ask("who"));
  EXPECT_EQ("in the pipe", ask("use pipe"));
}

// A library from before they existed.
TEST_F(SessionFdsTest, AnOlderHeirIsNotGivenHalfOfASession) {
  for (const char* what : {"open pipe", "park anna"}) {
    start(service("1"));
    ask(what);
    RawHeir heir(*donor_);
    ASSERT_FALSE(heir.hello().session_fds());
    heir.send_hello();
    EXPECT_EQ(Type::kAbort, heir.await(Type::kAbort).type);
    const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(v1::VERSION, failed.code());
    EXPECT_THAT(failed.reason(), HasSubstr("the libhandoff of the new release does not know"));
    EXPECT_EQ("1", ask("who"));
  }
}

TEST_F(SessionFdsTest, AnOlderHeirGetsAllSessionsWithoutThem) {
  start(holding("1"));
  ASSERT_EQ("opened", ask("open pipe"));
  LineClient plain(address_);
  ASSERT_EQ("1", plain.ask("who"));
  RawHeir heir(*donor_, {.unmovable = v1::UNMOVABLE_LATE});
  v1::Hello hello = heir.hello();
  hello.set_links(true);
  heir.send_hello(hello);
  v1::CopyEnd end;
  ASSERT_TRUE(end.ParseFromString(heir.await(Type::kCopyEnd).body));
  EXPECT_EQ(1U, end.sessions());
}

TEST_F(SessionFdsTest, WhatTheHeirHasIsNotSentAgain) {
  start(service("1"));
  ASSERT_EQ("filled", ask("fill 3"));
  RawHeir heir(*donor_);
  v1::Hello hello = heir.hello();
  hello.set_session_fds(true);
  heir.send_hello(hello);
  ASSERT_EQ(Type::kListeners, heir.await(Type::kListeners).type);
  const Frame first = heir.next();
  v1::Sessions sessions;
  ASSERT_TRUE(sessions.ParseFromString(first.body));
  ASSERT_EQ(3, sessions.sessions(0).fds_size());
  EXPECT_EQ("memfd0", sessions.sessions(0).fds(0).name());
  EXPECT_EQ(inode_of(first.fds.at(1).get()), sessions.sessions(0).fds(0).inode());
  EXPECT_EQ(4U, first.fds.size());
  heir.await(Type::kCopyEnd);
  ASSERT_EQ("yes", ask("touch"));
  ASSERT_EQ("dropped", ask("drop memfd1"));
  ASSERT_EQ("opened", ask("open memfd"));
  heir.send_copied();
  const Frame delta = heir.next();
  ASSERT_EQ(Type::kSessions, delta.type);
  ASSERT_TRUE(sessions.ParseFromString(delta.body));
  std::string said;
  for (const auto& one : sessions.sessions(0).fds()) {
    said += one.name() + (one.sent() ? " sent;" : ";");
  }
  EXPECT_EQ("memfd0;memfd2;memfd sent;", said);
  EXPECT_EQ(1U, delta.fds.size());
}

TEST_F(SessionFdsTest, AnHeirMayOpenAsManyFdsAsTheyTake) {
  for (const std::uint64_t most : {64U + 2 + 10, 64U + 2 + 9}) {
    start(service("1"));
    ASSERT_EQ("filled", ask("fill 10"));
    RawHeir heir(*donor_);
    v1::Hello hello = heir.hello();
    hello.set_session_fds(true);
    hello.set_fds_max(most);
    heir.send_hello(hello);
    const bool enough = most == 64 + 2 + 10;
    EXPECT_EQ(Type::kHello, heir.next().type);
    EXPECT_EQ(enough ? Type::kListeners : Type::kAbort, heir.next().type) << most;
  }
}

TEST_F(SessionFdsTest, OneThatWasClosedWithoutAWordIsNamed) {
  start(service("1"));
  ASSERT_EQ("opened", ask("open memfd"));
  ASSERT_EQ("closed", ask("close memfd"));
  begin(service("2"));
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::IDENTITY, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("its fd 'memfd' is closed or another file now"));
  EXPECT_EQ("1", ask("who"));
}

}  // namespace
}  // namespace handoff::test
