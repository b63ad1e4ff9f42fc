// The saved state of a session: what is written comes back, and malformed bytes are refused.
#include "session_state.h"

#include <gtest/gtest.h>

#include <random>

namespace kv {
namespace {

SessionState full_state() {
  SessionState state;
  state.db = 3;
  state.name = "bob";
  state.transaction = Transaction{true, {{"SET", "a", std::string("\0\r\n", 3)}, {"GET", "b"}}};
  state.watched = {true, {{0, "a"}, {15, ""}}};
  state.wait = Wait{{"l1", "l2"}, 123'456'789'012, 77};
  state.channels = {"news", "weather"};
  state.note_opened(42);
  state.note_command();
  return state;
}

TEST(SessionStateTest, ComesBackAsItWas) {
  for (const SessionState& state : {SessionState{}, full_state()}) {
    EXPECT_EQ(decode_session(encode_session(state)), state);
  }
}

TEST(SessionStateTest, IsRefusedWhenItIsCutAnywhereOrTooLong) {
  const std::string bytes = encode_session(full_state());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THROW(decode_session(bytes.substr(0, n)), Malformed) << n;
  }
  EXPECT_THROW(decode_session(bytes + "x"), Malformed);
}

TEST(SessionStateTest, IsRefusedOrValidWhateverIsInIt) {
  const std::string bytes = encode_session(full_state());
  std::mt19937 random(3);
  for (int round = 0; round < 50'000; ++round) {
    std::string broken = bytes;
    for (int n = 0; n < 3; ++n) broken[random() % broken.size()] = static_cast<char>(random());
    try {
      const SessionState state = decode_session(broken);
      EXPECT_LT(state.db, kDatabases);
      EXPECT_EQ(decode_session(encode_session(state)), state);
    } catch (const Malformed&) {
    }
  }
}

TEST(CodecTest, NumbersKeepTheirValueAndNoMore) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{UINT64_MAX}}) {
    std::string bytes;
    Encoder(bytes).number(value);
    EXPECT_EQ(Decoder(bytes).number(), value);
  }
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
    std::string bytes;
    Encoder(bytes).signed_number(value);
    EXPECT_EQ(Decoder(bytes).signed_number(), value);
  }
  EXPECT_THROW(Decoder(std::string(10, '\xff')).number(), Malformed);
  EXPECT_THROW(Decoder(std::string(9, '\xff') + "\x02").number(), Malformed);
}

// The bytes that release 1 has always written: today's code must read and write them.
TEST(SessionStateTest, TheBytesOfVersion1StayWhatTheyAre) {
  const std::string golden(
      "\x03\x03"
      "bob\x01\x01\x01\x02\x04"
      "PING\x01x\x01\x01\x00\x01"
      "a\x01\x01\x01l\x0a\x07\x01\x02"
      "ch",
      31);
  SessionCore core;
  core.db = 3;
  core.name = "bob";
  core.transaction = Transaction{true, {{"PING", "x"}}};
  core.watched = {true, {{0, "a"}}};
  core.wait = Wait{{"l"}, 5, 7};
  core.channels = {"ch"};
  std::string bytes;
  Encoder out(bytes);
  encode_core(core, out);
  EXPECT_EQ(bytes, golden);
}

}  // namespace
}  // namespace kv
