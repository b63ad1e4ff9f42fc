// What waits in a pair at a switch: bytes for an upstream that has no socket yet, and an end behind
// bytes.
#include <gtest/gtest.h>

#include <handoff/detail/session_record.hpp>
#include <memory>
#include <string>
#include <utility>

#include "kit_pairs.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;

class PairsWaitingTest : public PairsTest {};
INSTANTIATE_TEST_SUITE_P(Layers, PairsWaitingTest, ::testing::ValuesIn(kPairLayers),
                         ::testing::PrintToStringParamName());

TEST_P(PairsWaitingTest, AnEndBehindBytesThatWaitMoves) {
  start(options("1"));
  connect();
  client_->say("fill and end");
  const std::size_t before = next(upstream_).size();  // so the donor has written all
  EXPECT_EQ(1U, hand_over());
  EXPECT_EQ(kFill, before + read_to_end(upstream_.get()).size());
  EXPECT_EQ(1U, hand_over());
  client_->say("who");
  EXPECT_EQ("3\n", client_->line()) << "an upstream that has ended is written nothing";
  to_client("fro\n");
  EXPECT_EQ("fro\n", client_->line());
}

TEST_P(PairsWaitingTest, WhatWaitsForAnUpstreamThatIsNotNamedYetMoves) {
  PairOptions later = options("1");
  later.second = std::exchange(later.upstream, "");
  start(later);
  client_ = std::make_unique<LineClient>(address_);
  client_->say("who");
  EXPECT_EQ("1\n", client_->line());
  client_->send("early ");
  EXPECT_EQ(1U, hand_over(later));
  EXPECT_EQ(1U, hand_over(later));
  client_->send("go\n");
  upstream_ = accept_from(listener_);
  EXPECT_EQ("early ", next(upstream_));
  to_client("fro\n");
  EXPECT_EQ("fro\n", client_->line());
  EXPECT_EQ(1U, hand_over(later));
  client_->send("to");
  EXPECT_EQ("to", next(upstream_));
}

// To it what waits for the upstream would be input of the client.
TEST_P(PairsWaitingTest, AnOlderHeirGetsNoPairWithBytesForAnUpstreamThatIsNotNamedYet) {
  PairOptions later = options("1");
  later.upstream = "";
  start(later);
  client_ = std::make_unique<LineClient>(address_);
  client_->say("who");
  EXPECT_EQ("1\n", client_->line());
  {
    RawHeir heir(*owner_);
    ASSERT_FALSE(heir.hello().session_fds());
    heir.reach_copy_end();
    heir.close_channel();
    owner_->await_message<v1::Failed>(Type::kFailed);
  }
  client_->send("early");
  // The loop takes what came in the order in which it came.
  LineClient another(address_);
  another.say("who");
  EXPECT_EQ("1\n", another.line());
  RawHeir heir(*owner_);
  heir.send_hello();
  EXPECT_EQ(Type::kAbort, heir.await(Type::kAbort).type);
}

// Three lengths are 12 bytes: the third of 11 is cut, and the last of 13 is no part's.
TEST_P(PairsWaitingTest, APairWhoseInputIsCutIsRefused) {
  for (const std::string& input : {std::string(11, '\0'), std::string(13, '\0')}) {
    RawDonor donor([options = options("1"), layer = GetParam().heir] { return layer(options); });
    donor.open_connections(1);
    donor.send_hello();
    donor.send_listeners();
    v1::Sessions sessions = donor.sessions(false);
    sessions.mutable_sessions(0)->set_layer_flags(detail::SessionRecord::kPair);
    sessions.mutable_sessions(0)->set_input(input);
    send(donor.channel(), Type::kSessions, sessions, donor.session_fds());
    expect_given_up(donor, v1::REJECTED);
  }
}

}  // namespace
}  // namespace handoff::test
