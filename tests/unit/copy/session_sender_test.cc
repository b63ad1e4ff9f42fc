// Frames of sessions with bytes of a layer: they have room, and what is over is over at the heir.
#include "libhandoff/copy/session_sender.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "handoff/handoff.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {
namespace {

using protocol::Type;

class SessionSenderTest : public ::testing::Test {
 protected:
  struct Saves {
    std::string state, layer;
  };
  SessionSenderTest() {
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    registry_.callbacks_user = &saves_;
    registry_.callbacks.save = [](void* user, std::uint64_t id, handoff_saved_t* out) {
      const Saves& of = static_cast<std::map<std::uint64_t, Saves>*>(user)->at(id);
      const int saved = handoff_save_state(out, of.state.data(), of.state.size());
      if (saved < 0 || of.layer.empty()) return saved;
      return handoff_save_layer(out, of.layer.data(), of.layer.size());
    };
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    channel_.emplace(std::move(pair->first));
    heir_.emplace(std::move(pair->second));
    frames_.emplace(*channel_);
    ring_.emplace(*frames_);
    sender_.emplace(registry_, *frames_, *ring_, nullptr);
  }
  void set_terms(bool ring) {
    sender_->set_terms(
        {.versions = {1}, .ring_sessions = ring, .layers = true, .session_fds = true}, {});
    if (!ring) return;
    EXPECT_TRUE(ring_->announce(protocol::kSmallSlotSize));
    (void)received();
  }
  void add(std::uint64_t id, Saves saves) {
    registry_.sessions.add(id, {.no_fd = true});
    saves_[id] = std::move(saves);
  }
  // Sends the round. Returns what came with records: the lengths of their layers.
  std::map<std::uint64_t, std::size_t> round(Round round) {
    sender_->begin(round);
    std::map<std::uint64_t, std::size_t> layers;
    for (;;) {
      const auto sent = sender_->send();
      EXPECT_TRUE(sent) << sent.error().message;
      if (!sent || *sent != Pumped::kSent) return layers;
      for (const auto& [id, length] : received()) layers[id] = length;
    }
  }
  std::map<std::uint64_t, std::size_t> received() {
    std::map<std::uint64_t, std::size_t> layers;
    Channel::Message message;
    const auto received = heir_->recv(message);
    EXPECT_TRUE(received && *received == Channel::Received::kMessage);
    EXPECT_TRUE(frames_->acknowledge(frames_->sent()));
    if (message.header.type != Type::kSessions) return layers;
    const auto sessions = protocol::decode<protocol::Sessions>(message.body);
    EXPECT_TRUE(sessions);
    if (!sessions) return layers;
    if (sessions->in_ring) ++in_ring_;
    for (const auto& one : sessions->sessions) layers[one.id] = one.layer.size();
    return layers;
  }

  Declared declared_;
  Registry registry_{declared_};
  std::map<std::uint64_t, Saves> saves_;
  std::optional<Channel> channel_, heir_;
  std::optional<FrameSender> frames_;
  std::optional<RingSender> ring_;
  std::optional<SessionSender> sender_;
  int in_ring_ = 0;
};

// Of the largest that lie in a frame.
TEST_F(SessionSenderTest, AFrameHasRoomForALastRecordWithALayer) {
  set_terms(false);
  for (std::uint64_t id = 1; id <= 12; ++id) {
    add(id, {std::string(protocol::kMaxInline - 64, 's'), std::string(protocol::kMaxLayer, 'k')});
  }
  EXPECT_EQ(12U, round(Round::kFirst).size());
}

TEST_F(SessionSenderTest, WhatBeganForTheRingIsNotOutgrownByALayer) {
  set_terms(true);
  // Which of them comes first is the table's choice: in some order a layer comes behind much.
  for (std::uint64_t id = 1; id <= 64; ++id) {
    const bool layer = id % 7 == 0;
    add(id, {std::string(protocol::kMaxInline - 64, 's'),
             layer ? std::string(protocol::kMaxLayer, 'k') : std::string()});
  }
  const auto layers = round(Round::kFirst);
  std::size_t with = 0;
  for (const auto& [id, length] : layers) with += length > 0 ? 1 : 0;
  EXPECT_EQ(9U, with);
  EXPECT_EQ(static_cast<std::uint64_t>(64), sender_->progress().at_heir);
  EXPECT_GT(in_ring_, 0) << "the test is about both ways";
}

TEST_F(SessionSenderTest, ALayerThatIsGoneIsTakenFromTheHeir) {
  set_terms(false);
  add(1, {"state", "keys"});
  EXPECT_EQ((std::map<std::uint64_t, std::size_t>{{1, 4}}), round(Round::kFirst));
  saves_[1].layer.clear();
  EXPECT_EQ((std::map<std::uint64_t, std::size_t>{{1, 0}}), round(Round::kFrozen));
}

TEST_F(SessionSenderTest, WhatIsAsItWasIsNotSentAgain) {
  set_terms(false);
  add(1, {"state", ""});
  EXPECT_EQ(1U, round(Round::kFirst).size());
  EXPECT_TRUE(round(Round::kFrozen).empty());
}

}  // namespace
}  // namespace handoff::io
