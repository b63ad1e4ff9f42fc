// State as protobuf messages: those of libprotobuf, and a type that only has the two functions.
#include "handoff/protobuf.hpp"

#include <gtest/gtest.h>

#include "handoff.pb.h"
#include "handoff/testing.hpp"

namespace handoff {
namespace {

// Blob is Counters with more fields behind the first two: what an additive change looks like.
using Older = v1::Counters;
using Newer = v1::Blob;

static_assert(ProtobufMessage<Older>);
static_assert(!ProtobufMessage<std::string>);

TEST(ProtobufStateTest, GoesThereAndBack) {
  v1::Abort message;
  message.set_reason("half a li");
  EXPECT_EQ(from_state<v1::Abort>(to_state(message)).reason(), "half a li");
  EXPECT_EQ(from_state<v1::Abort>("").reason(), "");
}

TEST(ProtobufStateTest, WhatIsNoSuchMessageThrows) {
  EXPECT_THROW(from_state<v1::Abort>("\xff\xff\xff"), std::runtime_error);
}

TEST(ProtobufStateTest, AnAdditiveChangeNeedsNoStepInEitherDirection) {
  Newer state;
  state.set_state_length(5);
  state.set_checksum(7);  // a field that the older message does not know
  Older old = from_state<Older>(to_state(state));
  EXPECT_EQ(old.consumed(), 5U);
  old.set_consumed(6);  // the older release changes the state
  const Newer again = from_state<Newer>(to_state(old));
  EXPECT_EQ(again.state_length(), 6U);
  EXPECT_EQ(again.checksum(), 7U) << "kept by a release that does not know it";
}

TEST(ProtobufStateTest, AStepIsAFunctionFromOneMessageToTheOther) {
  testing::Steps steps;
  steps.add(1, 2, convert_state<v1::Query, v1::Cancel>([](const v1::Query& query) {
              v1::Cancel cancel;
              cancel.set_handoff_id(query.id() * 1000);  // in milliseconds from now on
              return cancel;
            }));
  steps.add(2, 1, convert_state<v1::Cancel, v1::Query>([](const v1::Cancel& cancel) {
              v1::Query query;
              query.set_id(cancel.handoff_id() / 1000);
              return query;
            }));
  v1::Query sample;
  sample.set_id(12);
  const auto checked = testing::check_round_trips(steps, {{1, to_state(sample)}, {1, ""}});
  EXPECT_TRUE(checked) << checked;
}

// A type with nothing but the two functions that a ProtobufMessage needs.
struct Plain {
  std::string text;
  bool SerializeToString(std::string* out) const {
    *out = text;
    return text != "unset";
  }
  bool ParseFromArray(const void* data, int size) {
    text.assign(static_cast<const char*>(data), static_cast<std::size_t>(size));
    return true;
  }
};

TEST(ProtobufStateTest, TakesWhateverSerializesLikeOne) {
  EXPECT_EQ(from_state<Plain>(to_state(Plain{"abc"})).text, "abc");
  EXPECT_THROW(to_state(Plain{"unset"}), std::runtime_error);
}

}  // namespace
}  // namespace handoff
