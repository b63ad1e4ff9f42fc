// A frame's header: its bytes, and malformed ones.
#include "libhandoff/protocol/frame.h"

#include <gtest/gtest.h>

#include "handoff/handoff.h"

namespace handoff::protocol {
namespace {

std::string message(const Header& header, const std::string& body) {
  const auto bytes = encode_header(header);
  return std::string(bytes.begin(), bytes.end()) + body;
}

// The worked example of PROTOCOL.md.
TEST(FrameTest, IsByteByByteWhatTheSpecificationShows) {
  const std::string bytes = message({.type = Type::kCopyEnd, .fds = 0, .body = 5},
                                    std::string("\x08\x01\x10\xe8\x07", 5));
  EXPECT_EQ(std::string("HF\x14\0\0\0\0\0\x05\0\0\0\x08\x01\x10\xe8\x07", 17), bytes);
}

TEST(FrameTest, ReadsWhatItWrote) {
  const Header header{.type = Type::kSessions, .lane = 3, .fds = 253, .body = 4};
  const auto decoded = decode_header(message(header, "body"), 253);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(Type::kSessions, decoded->type);
  EXPECT_EQ(3, decoded->lane);
  EXPECT_EQ(253U, decoded->fds);
  EXPECT_EQ(4U, decoded->body);
}

TEST(FrameTest, RefusesEveryTruncation) {
  const std::string whole = message({.type = Type::kHello, .fds = 0, .body = 4}, "body");
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const auto decoded = decode_header(std::string_view(whole).substr(0, n), 0);
    ASSERT_FALSE(decoded) << n;
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, decoded.error().code);
  }
  EXPECT_TRUE(decode_header(whole, 0));
  EXPECT_FALSE(decode_header(whole + "x", 0));
}

TEST(FrameTest, RefusesAnotherMagic) {
  std::string bytes = message({.type = Type::kHello, .fds = 0, .body = 0}, "");
  for (const std::size_t i : {0U, 1U}) {
    std::string broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 1);
    EXPECT_FALSE(decode_header(broken, 0));
  }
}

TEST(FrameTest, RefusesAnotherNumberOfFdsThanAnnounced) {
  for (const auto& [announced, received, good] :
       std::vector<std::tuple<std::uint32_t, std::size_t, bool>>{{0, 0, true},
                                                                 {253, 253, true},
                                                                 {1, 0, false},
                                                                 {0, 1, false},
                                                                 {254, 254, false},
                                                                 {0xffffffff, 0, false}}) {
    const auto decoded = decode_header(
        message({.type = Type::kSessions, .fds = announced, .body = 0}, ""), received);
    EXPECT_EQ(good, decoded.has_value()) << announced << " and " << received;
  }
}

TEST(FrameTest, NamesTypes) {
  EXPECT_EQ("Resumed", type_name(Type::kResumed));
  EXPECT_EQ("type 77", type_name(static_cast<Type>(77)));
}

}  // namespace
}  // namespace handoff::protocol
