#include "libhandoff/link/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

namespace handoff::io {
namespace {

using protocol::Type;
using ::testing::ElementsAre;
using Of = Outbox::Of;

class OutboxTest : public ::testing::Test, protected Outbox::Listener {
 protected:
  OutboxTest() : ours_(UniqueFd()), theirs_(UniqueFd()) {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    ours_ = Channel(std::move(pair->first));
    theirs_ = Channel(std::move(pair->second));
  }
  void sent(const Outbox::Frame& frame) override {
    sent_.push_back(frame.of);
    if (on_sent_) on_sent_(frame);
  }
  void refused(const Error& error) override { refused_.push_back(error.message); }

  void push(Of of, std::string body) {
    outbox_.push({.type = Type::kGroupSessions, .body = std::move(body), .of = of});
  }
  // nullopt: nothing is there.
  std::optional<std::string> receive() {
    Channel::Message message;
    const auto received = theirs_.recv(message);
    EXPECT_TRUE(received);
    if (!received || *received != Channel::Received::kMessage) return std::nullopt;
    return std::string(message.body);
  }
  std::vector<std::string> receive_all() {
    std::vector<std::string> all;
    while (auto body = receive()) all.push_back(std::move(*body));
    return all;
  }

  Channel ours_, theirs_;
  Outbox outbox_{ours_, *this};
  std::vector<Of> sent_;
  std::vector<std::string> refused_;
  std::function<void(const Outbox::Frame&)> on_sent_;
};

TEST_F(OutboxTest, SendsInOrderAndTellsWhoseFrameWent) {
  push(Of::kGiving, "1");
  push(Of::kTaking, "2");
  push(Of::kLink, "3");
  EXPECT_FALSE(receive()) << "nothing goes before it is flushed";
  outbox_.flush();
  EXPECT_THAT(receive_all(), ElementsAre("1", "2", "3"));
  EXPECT_THAT(sent_, ElementsAre(Of::kGiving, Of::kTaking, Of::kLink));
  EXPECT_TRUE(outbox_.empty());
}

TEST_F(OutboxTest, AHalfForgetsOnlyItsOwn) {
  push(Of::kGiving, "sessions");
  push(Of::kTaking, "prepared");
  push(Of::kGiving, "prepare");
  push(Of::kLink, "hello");
  outbox_.forget(Of::kGiving);
  outbox_.flush();
  EXPECT_THAT(receive_all(), ElementsAre("prepared", "hello"));
}

TEST_F(OutboxTest, AListenerSendsTheNextFrameAtOnceAndNoneTwice) {
  on_sent_ = [this](const Outbox::Frame& frame) {
    if (frame.body != "prepare") return;
    push(Of::kGiving, "release");
    outbox_.flush();
  };
  push(Of::kGiving, "prepare");
  push(Of::kTaking, "resumed");
  outbox_.flush();
  EXPECT_THAT(receive_all(), ElementsAre("prepare", "resumed", "release"));
  EXPECT_EQ(3U, sent_.size());
}

TEST_F(OutboxTest, KeepsWhatAFullChannelHasNoRoomFor) {
  std::vector<std::string> pushed;
  while (outbox_.empty()) {
    ASSERT_LT(pushed.size(), 10'000U);
    pushed.push_back(std::to_string(pushed.size()) + std::string(20'000, '.'));
    push(Of::kGiving, pushed.back());
    outbox_.flush();
  }
  EXPECT_EQ(pushed.size() - 1, sent_.size());
  auto received = receive_all();
  EXPECT_EQ(pushed.size() - 1, received.size());
  outbox_.flush();
  EXPECT_TRUE(outbox_.empty());
  for (auto& body : receive_all()) received.push_back(std::move(body));
  EXPECT_EQ(pushed, received);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(OutboxTest, TellsOfAFrameThatCanNotGoAndGoesOn) {
  push(Of::kGiving, std::string(protocol::kMaxBody + 1, 'x'));
  push(Of::kTaking, "resumed");
  outbox_.flush();
  EXPECT_EQ(1U, refused_.size());
  EXPECT_THAT(sent_, ElementsAre(Of::kTaking));
  EXPECT_THAT(receive_all(), ElementsAre("resumed"));
}

TEST_F(OutboxTest, IsEmptyOnceTheOtherEndIsClosed) {
  theirs_ = Channel(UniqueFd());
  push(Of::kGiving, "1");
  push(Of::kTaking, "2");
  outbox_.flush();
  EXPECT_TRUE(outbox_.empty());
  EXPECT_TRUE(sent_.empty());
  EXPECT_TRUE(refused_.empty());
}

TEST_F(OutboxTest, SendsNothingAfterClose) {
  push(Of::kGiving, "1");
  outbox_.close();
  push(Of::kGiving, "2");
  outbox_.flush();
  EXPECT_FALSE(receive());
  EXPECT_TRUE(sent_.empty());
}

}  // namespace
}  // namespace handoff::io
