// A real heir, and a donor that dies, hangs, or breaks the protocol, at every step: the donor's
// half of the fault table in PROTOCOL.md.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <utility>

#include "line_service.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

int run_heir() { return run_line_service({.version = "2"}); }

void expect_line(Connection& connection, const std::string& line) {
  ASSERT_EQ(1, ::send(connection.client.get(), "\n", 1, MSG_NOSIGNAL));
  EXPECT_EQ(line, next_line(connection.client.get()));
}

TEST(HeirFaultsTest, TakesTheDeedAndResumesBeforeItReads) {
  RawDonor donor(run_heir);
  donor.open_connections(2);
  ASSERT_EQ(1, ::send(donor.connection(0).client.get(), "\n", 1, 0));  // waits in the socket
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  EXPECT_FALSE(donor.claim());
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_FALSE(owner.donor_died());
  EXPECT_EQ("6 \n", next_line(donor.connection(0).client.get()));
  expect_line(donor.connection(1), "6 \n");
}

TEST(HeirFaultsTest, TakesOverFromADonorThatDiedAfterPrepare) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(2);
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
  expect_line(donor.connection(1), "6 \n");
}

// The heir finds a Cancel and its donor's end at once. If it obeyed first, nobody would have the
// sessions.
TEST(HeirFaultsTest, LooksWhetherItsDonorLivesBeforeItObeysACancel) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(1);
  send(donor.heir().control(), Type::kQuery, v1::Query());
  EXPECT_FALSE(donor.heir().await(Type::kStatus).closed);  // it has read the channel, and waits
  donor.heir().stop();
  v1::Cancel cancel;
  cancel.set_handoff_id(1);
  cancel.set_reason("no word for too long");
  send(donor.heir().control(), Type::kCancel, cancel);
  donor.die();
  donor.heir().signal(SIGCONT);
  EXPECT_EQ(1U, donor.heir().await_message<v1::Owner>(Type::kOwner).sessions());
  expect_line(donor.connection(0), "6 \n");
}

TEST(HeirFaultsTest, GoesWhenTheSupervisorCancels) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(1);
  v1::Cancel cancel;
  cancel.set_handoff_id(1);
  cancel.set_reason("no word for too long");
  send(donor.heir().control(), Type::kCancel, cancel);
  expect_given_up(donor, v1::CANCELLED);
  EXPECT_TRUE(donor.process().running());
}

// A section whose finish() may be called only once.
class FinishedOnce : public Section {
 public:
  void begin(std::uint32_t) override {}
  bool next(Phase, std::string&) override { return false; }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view) override {}
  void finish() override {
    if (std::exchange(finished_, true)) throw std::runtime_error("finish() came twice");
  }
  void reset() override {}

 private:
  bool finished_ = false;
};

TEST(HeirFaultsTest, FinishesSectionsOnceAlsoWhenTheDonorDiesAfterPrepare) {
  RawDonor donor([] {
    FinishedOnce data;
    LineServiceOptions options{.version = "2"};
    options.adjust = [&](Service& s) { s.section("data", data, {1}, {1}); };
    return run_line_service(options);
  });
  donor.open_connections(1);
  v1::Hello hello = donor.hello();
  auto& kind = *hello.mutable_manifest()->add_kinds();
  kind.set_name("data");
  kind.set_section(true);
  kind.add_writes(1);
  send(donor.channel(), Type::kHello, hello);
  EXPECT_EQ(Type::kHello, donor.next().type);
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
}

// The donor's last messages count, even if the heir reads them after the donor's exit.
TEST(HeirFaultsTest, ReadsTheChannelToItsEndBeforeItConcludes) {
  RawDonor donor(run_heir);
  donor.copy(1);
  v1::CopyEnd end;
  end.set_round(1);
  end.set_sessions(1);
  donor.heir().signal(SIGSTOP);
  send(donor.channel(), Type::kCopyEnd, end);
  send(donor.channel(), Type::kPrepare, donor.prepare(), {donor.word()});
  donor.die();
  donor.heir().signal(SIGCONT);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
}

// A donor whose channel closes may live. It can have the sessions back only by the ownership word,
// so the heir need not end it.
TEST(HeirFaultsTest, TakesOverFromADonorWhoseChannelClosedAfterPrepareAndLeavesItAlone) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(1);
  donor.channel() = io::Channel(UniqueFd());
  donor.close_sockets();
  EXPECT_TRUE(donor.heir().await_message<v1::Owner>(Type::kOwner).donor_died());
  expect_line(donor.connection(0), "6 \n");
  EXPECT_FALSE(donor.claim());
  EXPECT_TRUE(donor.process().running());
}

TEST(HeirFaultsTest, TakesOverFromADonorThatHangsAfterPrepareAndTellsIt) {
  RawDonor donor(run_heir, {.budget_us = 50'000});
  donor.copy_and_prepare(1);
  EXPECT_FALSE(donor.heir().await_message<v1::Owner>(Type::kOwner).donor_died());
  expect_line(donor.connection(0), "6 \n");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  EXPECT_FALSE(donor.claim());
  EXPECT_TRUE(donor.process().running());
}

// The donor's Abort may come or not: the ownership word is the donor's.
TEST(HeirFaultsTest, GoesWhenTheDonorTookTheSessionsBackAndTouchesNothing) {
  for (const bool hangs : {false, true}) {
    RawDonor donor(run_heir, {.budget_us = hangs ? 50'000U : 5'000'000U});
    donor.copy(1);
    donor.send_copy_end();
    EXPECT_TRUE(donor.claim());
    donor.send_prepare();
    if (!hangs) donor.channel() = io::Channel(UniqueFd());
    expect_given_up(donor, v1::CANCELLED, false);
    EXPECT_TRUE(donor.process().running());
    ASSERT_EQ(1, ::send(donor.connection(0).server.get(), "\n", 1, 0));
    EXPECT_EQ("\n", next_line(donor.connection(0).client.get()));
  }
}

// The donor took the sessions back and died with them, so the heir's copies may be stale.
TEST(HeirFaultsTest, KeepsWhatHasNotMovedSinceADonorTookTheSessionsBackAndDied) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(2, true);
  donor.heir().stop();
  EXPECT_TRUE(donor.claim());
  ASSERT_EQ(1, ::send(donor.connection(1).server.get(), "y", 1, 0));
  ASSERT_TRUE(readable(donor.connection(1).client.get()));
  char byte = 0;
  ASSERT_EQ(1, ::recv(donor.connection(1).client.get(), &byte, 1, 0));
  donor.die();
  donor.heir().signal(SIGCONT);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(1U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
  EXPECT_EQ("RESET", next_line(donor.connection(1).client.get()));
}

TEST(HeirFaultsTest, GoesWhenTheDonorAbortsAfterPrepare) {
  RawDonor donor(run_heir);
  donor.copy_and_prepare(1);
  v1::Abort abort;
  abort.set_code(v1::TIMEOUT);
  abort.set_reason("the budget ran out");
  EXPECT_TRUE(donor.claim());
  send(donor.channel(), Type::kAbort, abort);
  donor.channel() = io::Channel(UniqueFd());
  expect_given_up(donor, v1::TIMEOUT, false);
  EXPECT_TRUE(donor.process().running());
  // Nothing happened to the socket: the donor goes on with it.
  ASSERT_EQ(1, ::send(donor.connection(0).server.get(), "\n", 1, 0));
  EXPECT_EQ("\n", next_line(donor.connection(0).client.get()));
}

TEST(HeirFaultsTest, GivesUpOnADonorThatHangsInMidCopyAndLeavesItAlone) {
  RawDonor donor(run_heir, {.stall_us = 50'000});
  donor.copy(1);
  expect_given_up(donor, v1::TIMEOUT);
  EXPECT_TRUE(donor.process().running());
  ASSERT_EQ(1, ::send(donor.connection(0).server.get(), "\n", 1, 0));
  EXPECT_EQ("\n", next_line(donor.connection(0).client.get()));
}

TEST(HeirFaultsTest, GoesWhenTheDonorDiesBeforeHello) {
  RawDonor donor(run_heir);
  donor.die();
  expect_given_up(donor, v1::PEER_DIED, false);
}

TEST(HeirFaultsTest, GoesWhenTheDonorDiesBeforeItsListeners) {
  RawDonor donor(run_heir);
  donor.send_hello();
  donor.die();
  expect_given_up(donor, v1::PEER_DIED, false);
}

// The service crashes in mid-copy. Of three independent sessions one has not moved since the
// snapshot, one was read from, and one was written to.
TEST(HeirFaultsTest, KeepsIndependentSessionsThatHaveNotMovedAndResetsTheOthers) {
  RawDonor donor(run_heir);
  donor.copy(3, true);
  char byte = 0;
  ASSERT_EQ(1, ::send(donor.connection(1).client.get(), "x", 1, 0));
  ASSERT_TRUE(readable(donor.connection(1).server.get()));
  ASSERT_EQ(1, ::recv(donor.connection(1).server.get(), &byte, 1, 0));
  ASSERT_EQ(1, ::send(donor.connection(2).server.get(), "y", 1, 0));
  ASSERT_TRUE(readable(donor.connection(2).client.get()));
  ASSERT_EQ(1, ::recv(donor.connection(2).client.get(), &byte, 1, 0));
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(2U, owner.lost());
  ASSERT_EQ(2, owner.lost_ids_size());
  EXPECT_EQ(203U, owner.lost_ids(0) + owner.lost_ids(1));
  expect_line(donor.connection(0), "6 \n");
  EXPECT_EQ("RESET", next_line(donor.connection(1).client.get()));
  EXPECT_EQ("RESET", next_line(donor.connection(2).client.get()));
}

TEST(HeirFaultsTest, NeverServesSharedStateThatMayBeStale) {
  RawDonor donor(run_heir);
  donor.copy(2);
  donor.send_copy_end();
  // A process that the donor has started lives on, and has the socket open.
  const UniqueFd of_child(::dup(donor.connection(0).server.get()));
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0U, owner.sessions());
  EXPECT_EQ(2U, owner.lost());
  EXPECT_EQ("RESET", next_line(donor.connection(0).client.get()));
  EXPECT_EQ("RESET", next_line(donor.connection(1).client.get()));
}

// A session that the heir refuses is the donor's. When that dies, a FIN would tell the client that
// all has come to a good end.
TEST(HeirFaultsTest, ResetsWhatItHasRefusedIfItsDonorDies) {
  for (const bool early : {false, true}) {
    for (const bool prepared : {false, true}) {
      LineServiceOptions two{.version = "2", .early_restore = early};
      two.on_restore = [](SessionId id) {
        if (id == 101) throw std::runtime_error("not this one");
      };
      RawDonor donor([two] { return run_line_service(two); });
      donor.open_connections(3);
      v1::Hello hello = donor.hello();
      hello.set_unmovable(v1::UNMOVABLE_CLOSE);
      send(donor.channel(), Type::kHello, hello);
      EXPECT_EQ(Type::kHello, donor.next().type);
      donor.send_listeners();
      donor.send_sessions(true);
      donor.send_copy_end();
      if (prepared) donor.send_prepare();
      donor.die();
      const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
      EXPECT_EQ(2U, owner.sessions()) << early << prepared;
      EXPECT_EQ(1U, owner.lost()) << early << prepared;
      EXPECT_EQ("RESET", next_line(donor.connection(1).client.get())) << early << prepared;
      expect_line(donor.connection(0), "6 \n");
      expect_line(donor.connection(2), "6 \n");
    }
  }
}

// The heir finds an Abort only after it has ended a silent donor, which may have served again
// since.
TEST(HeirFaultsTest, TakesADonorThatAbortedAndWasEndedForACrash) {
  RawDonor donor(run_heir, {.budget_us = 50'000});
  donor.copy_and_prepare(1);
  donor.heir().signal(SIGSTOP);
  v1::Abort abort;
  EXPECT_TRUE(donor.claim());
  send(donor.channel(), Type::kAbort, abort);
  donor.die();
  donor.heir().signal(SIGCONT);
  // The heir reads the Abort before or after it sees the exit; either way it serves nothing stale.
  const Frame frame = donor.heir().await(Type::kOwner);
  if (!frame.closed) {
    v1::Owner owner;
    ASSERT_TRUE(owner.ParseFromString(frame.body));
    EXPECT_EQ(0U, owner.sessions());
  }
  const std::string end = next_line(donor.connection(0).client.get());
  EXPECT_TRUE(end == "RESET" || end == "EOF") << end;
}

}  // namespace
}  // namespace handoff::test
