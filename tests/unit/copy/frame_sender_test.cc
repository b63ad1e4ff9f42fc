#include "libhandoff/copy/frame_sender.h"

#include <gtest/gtest.h>

#include "libhandoff/protocol/limits.h"

namespace handoff::io {
namespace {

using protocol::Type;

class FrameSenderTest : public ::testing::Test {
 protected:
  FrameSenderTest() {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    channel_.emplace(std::move(pair->first));
    frames_.emplace(*channel_);
    heir_ = std::move(pair->second);
  }
  void send(std::uint64_t n) {
    for (std::uint64_t i = 0; i < n; ++i) {
      const auto sent = frames_->send(Type::kCopyEnd, "");
      ASSERT_TRUE(sent) << sent.error().message;
      ASSERT_EQ(Pumped::kSent, *sent);
    }
  }

  std::optional<Channel> channel_;
  std::optional<FrameSender> frames_;
  UniqueFd heir_;
};

TEST_F(FrameSenderTest, IsFullWithAWindowUnacknowledged) {
  send(protocol::kWindow - 1);
  EXPECT_FALSE(frames_->full());
  send(1);
  EXPECT_TRUE(frames_->full());
  EXPECT_TRUE(frames_->acknowledge(1));
  EXPECT_FALSE(frames_->full());
}

TEST_F(FrameSenderTest, RefusesAnAckOfLessThanBeforeOrMoreThanWasSent) {
  send(3);
  EXPECT_TRUE(frames_->acknowledge(2));
  EXPECT_FALSE(frames_->acknowledge(1));
  EXPECT_FALSE(frames_->acknowledge(4));
  EXPECT_TRUE(frames_->acknowledge(2)) << "a total may come again";
  EXPECT_TRUE(frames_->acknowledge(3));
}

TEST_F(FrameSenderTest, SaysThatTheHeirIsGone) {
  heir_.reset();
  const auto sent = frames_->send(Type::kCopyEnd, "");
  ASSERT_TRUE(sent) << sent.error().message;
  EXPECT_EQ(Pumped::kClosed, *sent);
}

}  // namespace
}  // namespace handoff::io
