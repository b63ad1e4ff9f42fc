#include "libhandoff/handoff/donor_line.h"

#include <gtest/gtest.h>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using protocol::Type;

// A service that has nothing: what is left is what ends a round.
class DonorLineTest : public ::testing::Test {
 protected:
  DonorLineTest() {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    line_.emplace(registry_, Channel(std::move(pair->first)), false);
    heir_.emplace(std::move(pair->second));
    line_->set_terms({}, {});
  }
  void begin(Round round) {
    const auto begun = line_->begin(round);
    ASSERT_TRUE(begun) << begun.error().message;
    line_->begin_turn({.frames = core::Pace::kFew});
  }
  Pumped pump() {
    const auto pumped = line_->pump();
    EXPECT_TRUE(pumped) << pumped.error().message;
    return pumped.value_or(Pumped::kClosed);
  }
  Type next() {
    const auto received = heir_->recv(message_);
    EXPECT_TRUE(received && *received == Channel::Received::kMessage);
    return message_.header.type;
  }

  Declared declared_;
  Registry registry_{declared_};
  std::optional<DonorLine> line_;
  std::optional<Channel> heir_;
  Channel::Message message_;
};

TEST_F(DonorLineTest, EndsARoundWithCopyEndAndTheDeltaWithLanePrepare) {
  begin(Round::kFirst);
  EXPECT_FALSE(line_->sent());
  EXPECT_EQ(Pumped::kDone, pump());
  EXPECT_TRUE(line_->sent());
  EXPECT_EQ(Type::kCopyEnd, next());
  EXPECT_EQ(1U, protocol::decode<protocol::CopyEnd>(message_.body)->round);
  begin(Round::kFrozen);
  EXPECT_EQ(Pumped::kDone, pump());
  EXPECT_EQ(Type::kLanePrepare, next());
}

TEST_F(DonorLineTest, HoldsThePrepareOfLineZeroUntilItsNumbersAreKnown) {
  line_->add_service(registry_);
  begin(Round::kFirst);
  EXPECT_EQ(Pumped::kSent, pump());
  EXPECT_EQ(Type::kListeners, next());
  EXPECT_EQ(Pumped::kDone, pump());
  EXPECT_EQ(Type::kCopyEnd, next());

  begin(Round::kFrozen);
  EXPECT_EQ(Pumped::kHeld, pump());
  EXPECT_FALSE(line_->sent());
  EXPECT_TRUE(line_->saved());
  line_->prepare({.sessions = 7, .late = 2}, heir_->fd());
  EXPECT_EQ(Pumped::kDone, pump());
  EXPECT_TRUE(line_->sent());
  EXPECT_EQ(Type::kPrepare, next());
  ASSERT_EQ(1U, message_.fds.size());
  const auto prepare = protocol::decode<protocol::Prepare>(message_.body);
  ASSERT_TRUE(prepare) << prepare.error().message;
  EXPECT_EQ(7U, prepare->sessions);
  EXPECT_EQ(2U, prepare->late);
  EXPECT_EQ(heir_->received_hash(), prepare->checksum);
}

TEST_F(DonorLineTest, StopsWhereTheTurnEndsButNotInTheFreeze) {
  begin(Round::kFirst);
  line_->begin_turn({.frames = 0});
  EXPECT_EQ(Pumped::kTurn, pump());
  EXPECT_TRUE(line_->cut_short());
  EXPECT_FALSE(line_->sent());
  line_->begin_turn({.frames = 1});
  EXPECT_EQ(Pumped::kDone, pump());
  EXPECT_FALSE(line_->cut_short());

  begin(Round::kFrozen);
  line_->begin_turn({.frames = 0});
  EXPECT_EQ(Pumped::kDone, pump());
}

// An author's save() may take long to fail.
TEST_F(DonorLineTest, LooksInATurnAtNoMoreSessionsThatFailThanAFrameWouldHold) {
  constexpr std::uint64_t kSessions = 1000;
  int saves = 0;
  registry_.callbacks_user = &saves;
  registry_.callbacks.save = [](void* user, std::uint64_t, handoff_saved_t*) {
    ++*static_cast<int*>(user);
    return -EIO;
  };
  ASSERT_TRUE(registry_.declare_kind("session", 1));
  for (std::uint64_t id = 1; id <= kSessions; ++id) registry_.sessions.add(id, {.tracked = true});
  line_->set_terms({.versions = {1}, .heir_looks = true, .unmovable = core::Unmovable::kLate}, {});
  begin(Round::kFirst);
  int before = 0;
  for (int turns = 0; !line_->sent(); ++turns) {
    ASSERT_LT(turns, 100);
    line_->begin_turn({.frames = 1, .looks = false});
    const Pumped pumped = pump();
    EXPECT_LE(saves - before, static_cast<int>(protocol::kMaxFds));
    before = saves;
    if (line_->sent()) break;
    EXPECT_EQ(Pumped::kLooked, pumped);
    EXPECT_EQ(1U, line_->frames()) << "of the turn's share";
    EXPECT_EQ(Pumped::kTurn, pump());
    EXPECT_TRUE(line_->cut_short());
  }
  EXPECT_EQ(static_cast<int>(kSessions), saves);
  EXPECT_EQ(kSessions, line_->sessions().left().size());
}

TEST_F(DonorLineTest, HearsAcksAndNothingElse) {
  begin(Round::kFirst);
  EXPECT_EQ(Pumped::kDone, pump());
  ASSERT_EQ(Channel::Sent::kYes, heir_->send(Type::kAck, encode(protocol::Ack{1})).value());
  EXPECT_EQ(1U, line_->hear().value_or(0));
  ASSERT_EQ(Channel::Sent::kYes, heir_->send(Type::kAck, encode(protocol::Ack{2})).value());
  const auto too_many = line_->hear();
  ASSERT_FALSE(too_many);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, too_many.error().code);
  ASSERT_EQ(Channel::Sent::kYes, heir_->send(Type::kResumed, "").value());
  const auto resumed = line_->hear();
  ASSERT_FALSE(resumed);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, resumed.error().code);
  EXPECT_FALSE(line_->ended());
  heir_.reset();
  EXPECT_EQ(0U, line_->hear().value_or(1));
  EXPECT_TRUE(line_->ended());
}

}  // namespace
}  // namespace handoff::io
