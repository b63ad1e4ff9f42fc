#include "libhandoff/handoff/heir_line.h"

#include <gtest/gtest.h>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using protocol::Type;

class HeirLineTest : public ::testing::Test {
 protected:
  HeirLineTest() {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    line_.emplace(registry_, Channel(std::move(pair->first)), nullptr);
    donor_.emplace(std::move(pair->second));
  }
  // One frame of the donor's, received and not applied.
  void receive(Type type, std::string_view body) {
    const auto sent = donor_->send(type, body);
    ASSERT_TRUE(sent && *sent == Channel::Sent::kYes);
    const auto received = line_->channel().recv(message_);
    ASSERT_TRUE(received && *received == Channel::Received::kMessage);
  }
  Result<void> apply(Type type, std::string_view body) {
    receive(type, body);
    return line_->apply(message_);
  }
  Result<void> end_round(std::uint32_t round) {
    return apply(Type::kCopyEnd, encode(protocol::CopyEnd{round, 0}));
  }
  // As it is before LanePrepare is sent.
  Result<void> end_delta(std::uint64_t error = 0) {
    return apply(Type::kLanePrepare, encode(protocol::LanePrepare{0, donor_->sent_hash() + error}));
  }
  // What the donor hears; nullopt: nothing.
  std::optional<std::uint64_t> acknowledged() {
    Channel::Message message;
    const auto received = donor_->recv(message);
    EXPECT_TRUE(received) << received.error().message;
    if (!received || *received != Channel::Received::kMessage) return std::nullopt;
    EXPECT_EQ(Type::kAck, message.header.type);
    return protocol::decode<protocol::Ack>(message.body)->frames;
  }

  Declared declared_;
  Registry registry_{declared_};
  std::optional<HeirLine> line_;
  std::optional<Channel> donor_;
  Channel::Message message_;
};

TEST_F(HeirLineTest, AcknowledgesHalfAWindowOrAtOnceIfItIsToldTo) {
  for (int i = 0; i < 3; ++i) {
    receive(Type::kSessions, "");
    line_->acknowledge(false);
    EXPECT_EQ(std::nullopt, acknowledged());
  }
  receive(Type::kSessions, "");
  line_->acknowledge(false);
  EXPECT_EQ(4U, acknowledged());
  receive(Type::kSessions, "");
  line_->acknowledge(true);
  EXPECT_EQ(5U, acknowledged());
  line_->acknowledge(true);
  EXPECT_EQ(std::nullopt, acknowledged()) << "there is nothing new to say";
}

TEST_F(HeirLineTest, TakesRoundsInTheirOrder) {
  EXPECT_EQ(0U, line_->round());
  EXPECT_TRUE(end_round(1));
  EXPECT_TRUE(end_round(2));
  EXPECT_EQ(2U, line_->round());
  const auto left_out = end_round(4);
  ASSERT_FALSE(left_out);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, left_out.error().code);
  EXPECT_EQ(2U, line_->round());
}

TEST_F(HeirLineTest, TakesNothingBehindTheDelta) {
  EXPECT_TRUE(end_round(1));
  EXPECT_FALSE(line_->prepared());
  EXPECT_TRUE(end_delta());
  EXPECT_TRUE(line_->prepared());
  const auto behind = end_round(2);
  ASSERT_FALSE(behind);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, behind.error().code);
}

TEST_F(HeirLineTest, IsNotPreparedByAWrongChecksum) {
  EXPECT_TRUE(end_round(1));
  const auto wrong = end_delta(1);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, wrong.error().code);
  EXPECT_FALSE(line_->prepared());
}

}  // namespace
}  // namespace handoff::io
