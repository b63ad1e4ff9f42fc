// A real donor, and an heir that dies, hangs, or takes the sessions, at every step: the heir's half
// of the fault table in PROTOCOL.md. After each fault the donor serves on with the same fds as
// before, or it retires.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "donor_fixture.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/proc.h"

namespace handoff::test {
namespace {

using protocol::Type;

TEST_F(DonorFaultsTest, RetiresOnceTheHeirHasResumed) {
  start();
  RawHeir heir(*donor_);
  heir.reach_release();
  send_raw(heir.channel(), Type::kResumed, "");
  EXPECT_EQ(3U, donor_->await_message<v1::Retired>(Type::kRetired).sessions());
  EXPECT_EQ(0, donor_->wait());
}

TEST_F(DonorFaultsTest, RetiresWhenTheHeirResumedAndThenDied) {
  start();
  RawHeir heir(*donor_);
  heir.reach_release();
  donor_->signal(SIGSTOP);  // so that it sees all of it at once
  send_raw(heir.channel(), Type::kResumed, "");
  heir.close_channel();
  heir.process().kill();
  donor_->signal(SIGCONT);
  // The heir was the owner, so its death was a crash of the service and no failed handoff.
  donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor_->wait());
}

TEST_F(DonorFaultsTest, ThawsWhenTheHeirDiesBetweenReleaseAndResumed) {
  start();
  RawHeir heir(*donor_);
  heir.reach_release();
  heir.close_channel();
  heir.process().kill();
  expect_serving_on(v1::PEER_DIED);
}

// An heir whose channel closes may live. Without the ownership word it never touches a session, so
// the donor need not end it.
TEST_F(DonorFaultsTest, ThawsWhenTheHeirsChannelClosesAfterReleaseAndLeavesItAlone) {
  start();
  RawHeir heir(*donor_);
  heir.reach_release();
  heir.close_channel();
  expect_serving_on(v1::PEER_DIED);
  EXPECT_FALSE(heir.claim());
  EXPECT_TRUE(heir.process().running());
}

TEST_F(DonorFaultsTest, TakesTheSessionsBackFromAnHeirThatHangsAfterReleaseAndTellsIt) {
  start();
  RawHeir heir(*donor_, {.budget_us = 50'000});
  heir.reach_release();
  EXPECT_EQ(Type::kAbort, heir.next().type);
  EXPECT_FALSE(heir.claim());
  EXPECT_TRUE(heir.process().running());
  expect_serving_on(v1::TIMEOUT);
}

// Once the heir has the ownership word, the donor retires, whatever makes it ask.
TEST_F(DonorFaultsTest, RetiresWhenTheHeirTookTheSessionsAndSaidNothing) {
  const std::vector<std::pair<const char*, std::function<void(RawHeir&)>>> ways = {
      {"silent until the budget is used up", [](RawHeir&) {}},
      {"closes its channel", [](RawHeir& h) { h.close_channel(); }},
      {"aborts all the same", [](RawHeir& h) { send(h.channel(), Type::kAbort, v1::Abort()); }},
      {"speaks nonsense", [](RawHeir& h) { send_raw(h.channel(), static_cast<Type>(77), ""); }},
  };
  for (const auto& [what, act] : ways) {
    for (const bool released : {false, true}) {
      SCOPED_TRACE(std::string(what) + (released ? ", released" : ", not released"));
      clients_.clear();
      start();
      RawHeir heir(*donor_, {.budget_us = 300'000});
      heir.reach_prepare();
      if (released) {
        heir.send_prepared();
        ASSERT_EQ(Type::kRelease, heir.next().type);
      }
      ASSERT_TRUE(heir.claim());
      act(heir);
      const auto retired = donor_->await_message<v1::Retired>(Type::kRetired);
      EXPECT_EQ(3U, retired.sessions());
      EXPECT_FALSE(retired.heir_died());
      EXPECT_EQ(0, donor_->wait());
    }
  }
}

TEST_F(DonorFaultsTest, SaysThatAllIsLostWhenTheHeirTookTheSessionsAndDied) {
  start();
  RawHeir heir(*donor_);
  heir.reach_release();
  donor_->signal(SIGSTOP);  // so that it sees all of it at once
  ASSERT_TRUE(heir.claim());
  heir.close_channel();
  heir.process().kill();
  donor_->signal(SIGCONT);
  const auto retired = donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_TRUE(retired.heir_died());
  EXPECT_EQ(3U, retired.lost());
  EXPECT_EQ(3, retired.lost_ids_size());
  EXPECT_EQ(0, donor_->wait());
}

TEST_F(DonorFaultsTest, MissesItsBudgetRatherThanItsClients) {
  LineServiceOptions slow;
  slow.tracked = false;
  int saves = 0;
  slow.save = [&saves](SessionId) {
    // The first three saves are the snapshot. Those of the delta are slow, so that it takes longer
    // than the budget: the time itself is the fault.
    if (++saves > 3) ::usleep(60'000);
    return std::string("1");
  };
  start(slow);
  RawHeir heir(*donor_, {.budget_us = 50'000});
  heir.reach_copy_end();
  heir.send_copied();
  const Frame frame = heir.await(Type::kAbort);
  ASSERT_FALSE(frame.closed);
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::TIMEOUT, failed.code());
  clients_[0]->send("b\n");
  EXPECT_EQ("2 b\n", clients_[0]->line());
}

TEST_F(DonorFaultsTest, FailsTheHandoffWhenSaveRefuses) {
  LineServiceOptions refusing;
  refusing.save = [](SessionId) -> std::string { throw std::runtime_error("not now"); };
  start(refusing);
  RawHeir heir(*donor_);
  heir.send_hello();
  const Frame frame = heir.await(Type::kAbort);
  v1::Abort abort;
  ASSERT_TRUE(abort.ParseFromString(frame.body));
  EXPECT_EQ(v1::REJECTED, abort.code());
  EXPECT_NE(std::string::npos, abort.reason().find("not now")) << abort.reason();
  EXPECT_EQ(v1::REJECTED, donor_->await_message<v1::Failed>(Type::kFailed).code());
  clients_[0]->send("b\n");
  EXPECT_EQ("2 b\n", clients_[0]->line());
}

// A service that can't stop its threads must not be switched.
TEST_F(DonorFaultsTest, FailsTheHandoffWhenFreezeRefuses) {
  LineServiceOptions refusing;
  refusing.adjust = [](Service& s) {
    s.on_freeze([] { throw std::runtime_error("a thread does not stop"); });
  };
  start(refusing);
  RawHeir heir(*donor_);
  heir.reach_copy_end();
  heir.send_copied();
  const Frame frame = heir.await(Type::kAbort);
  ASSERT_FALSE(frame.closed);
  v1::Abort abort;
  ASSERT_TRUE(abort.ParseFromString(frame.body));
  EXPECT_NE(std::string::npos, abort.reason().find("a thread does not stop")) << abort.reason();
  expect_serving_on(v1::REJECTED);
}

// The heir hangs, with a duplicate of each socket.
TEST_F(DonorFaultsTest, AClientSeesTheEndOfItsSessionAlthoughTheHeirHasADuplicate) {
  start();
  RawHeir heir(*donor_);
  heir.send_hello();
  std::vector<UniqueFd> duplicates;
  for (Type type = Type::kHello; type != Type::kCopyEnd;) {
    Frame frame = receive(heir.channel());
    ASSERT_FALSE(frame.closed);
    type = frame.type;
    for (UniqueFd& fd : frame.fds) duplicates.push_back(std::move(fd));
  }
  ASSERT_LE(3U, duplicates.size());
  ::shutdown(clients_[0]->fd(), SHUT_WR);  // the service ends the session for that
  EXPECT_EQ("EOF", clients_[0]->line());
  clients_[1]->send("b\n");
  EXPECT_EQ("2 b\n", clients_[1]->line());
}

TEST_F(DonorFaultsTest, RefusesASecondHandoffWhileOneIsUnderWay) {
  start();
  RawHeir first(*donor_);
  EXPECT_EQ(Type::kHello, first.next().type);
  RawHeir second(*donor_);
  EXPECT_EQ(v1::CANCELLED, donor_->await_message<v1::Failed>(Type::kFailed).code());
  first.send_hello();
  EXPECT_FALSE(first.await(Type::kCopyEnd).closed);
}

TEST_F(DonorFaultsTest, ServesOnWithoutItsSupervisor) {
  start();
  donor_->control() = io::Channel(UniqueFd());
  for (auto& client : clients_) {
    client->send("b\n");
    EXPECT_EQ("2 b\n", client->line());
  }
}

// No word of a supervisor is worth a session.
TEST_F(DonorFaultsTest, ServesOnWhateverItsSupervisorSays) {
  start();
  io::Channel& control = donor_->control();
  const auto raw_bytes = [&](const std::string& bytes) {
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()),
              ::send(control.fd(), bytes.data(), bytes.size(), 0));
  };
  raw_bytes("garbage, garbage");
  raw_bytes("HF");
  send_raw(control, static_cast<Type>(77), "");
  send_raw(control, Type::kOwner, "");                         // not for a service
  send_raw(control, Type::kStop, "\x0a\xff\xff\xff\xff\x0f");  // does not parse
  send_raw(control, Type::kQuery, "", {control.fd()});         // an fd too many
  send(control, Type::kDonate, v1::Donate());                  // without its fds
  EXPECT_EQ(v1::PROTOCOL, donor_->await_message<v1::Failed>(Type::kFailed).code());
  v1::Query query;
  query.set_id(9);
  send(control, Type::kQuery, query);
  v1::Status status;
  do {
    status = donor_->await_message<v1::Status>(Type::kStatus);
  } while (status.query_id() != 9);
  EXPECT_EQ(3U, status.sessions());
  for (auto& client : clients_) {
    client->send("b\n");
    EXPECT_EQ("2 b\n", client->line());
  }
  expect_fds_of_before();
}

TEST_F(DonorFaultsTest, GivesUpWhenTheSupervisorCancels) {
  start();
  RawHeir heir(*donor_);
  heir.reach_copy_end();
  v1::Cancel cancel;
  cancel.set_handoff_id(1);
  cancel.set_reason("the operator changed their mind");
  send(donor_->control(), Type::kCancel, cancel);
  EXPECT_FALSE(heir.await(Type::kAbort).closed);
  expect_serving_on(v1::CANCELLED);
}

}  // namespace
}  // namespace handoff::test
