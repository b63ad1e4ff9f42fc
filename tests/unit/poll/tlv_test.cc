// Fields that are written are read, and bytes that are no fields are refused, wherever they end.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "handoff/tlv.h"

namespace handoff {
namespace {

// A writer to memory of a test, and what is in it.
struct Memory {
  std::array<char, 256> bytes{};
  handoff_tlv_memory memory{bytes.data(), bytes.size(), 0};
  std::string text() const { return {bytes.data(), memory.size}; }
};

TEST(TlvTest, TheBytesOfAField) {
  Memory to;
  handoff_tlv_writer w = handoff_tlv_to_memory(&to.memory);
  handoff_tlv_text(&w, 0x01020304, "hi");
  handoff_tlv_number(&w, 5, 0x1122334455667788);
  EXPECT_EQ(0, handoff_tlv_end(&w));
  EXPECT_EQ(std::string("\x04\x03\x02\x01\x02\0\0\0hi"
                        "\x05\0\0\0\x08\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11",
                        26),
            to.text());
}

TEST(TlvTest, WhatIsWrittenIsReadInItsOrder) {
  Memory to;
  handoff_tlv_writer w = handoff_tlv_to_memory(&to.memory);
  handoff_tlv_text(&w, 1, "");
  handoff_tlv_number(&w, 2, UINT64_MAX);
  handoff_tlv_bytes(&w, 1, "\0a", 2);
  handoff_tlv_bytes(&w, UINT32_MAX, nullptr, 0);
  ASSERT_EQ(0, handoff_tlv_end(&w));

  handoff_tlv_reader r = handoff_tlv_read(to.bytes.data(), to.memory.size);
  handoff_tlv_field field{};
  std::array<char, 8> text{};
  std::uint64_t number = 0;
  ASSERT_EQ(1, handoff_tlv_next(&r, &field));
  EXPECT_EQ(1U, field.tag);
  text[0] = 'x';
  EXPECT_EQ(0, handoff_tlv_get_text(&field, text.data(), text.size()));
  EXPECT_STREQ("", text.data());
  EXPECT_EQ(-EBADMSG, handoff_tlv_get_number(&field, &number));
  ASSERT_EQ(1, handoff_tlv_next(&r, &field));
  EXPECT_EQ(2U, field.tag);
  EXPECT_EQ(0, handoff_tlv_get_number(&field, &number));
  EXPECT_EQ(UINT64_MAX, number);
  ASSERT_EQ(1, handoff_tlv_next(&r, &field));
  EXPECT_EQ((std::string("\0a", 2)), std::string(static_cast<const char*>(field.data), 2));
  EXPECT_EQ(-EBADMSG, handoff_tlv_get_text(&field, text.data(), text.size())) << "a NUL in it";
  ASSERT_EQ(1, handoff_tlv_next(&r, &field));
  EXPECT_EQ(UINT32_MAX, field.tag);
  EXPECT_EQ(0U, field.length);
  EXPECT_EQ(0, handoff_tlv_next(&r, &field));
  EXPECT_EQ(0, handoff_tlv_next(&r, &field)) << "the end stays the end";
}

TEST(TlvTest, ATextMustFitWithItsNul) {
  Memory to;
  handoff_tlv_writer w = handoff_tlv_to_memory(&to.memory);
  handoff_tlv_text(&w, 1, "four");
  handoff_tlv_reader r = handoff_tlv_read(to.bytes.data(), to.memory.size);
  handoff_tlv_field field{};
  ASSERT_EQ(1, handoff_tlv_next(&r, &field));
  std::array<char, 5> text{"old"};
  EXPECT_EQ(-ENOSPC, handoff_tlv_get_text(&field, text.data(), 4));
  EXPECT_EQ(-ENOSPC, handoff_tlv_get_text(&field, text.data(), 0));
  EXPECT_STREQ("old", text.data());
  EXPECT_EQ(0, handoff_tlv_get_text(&field, text.data(), 5));
  EXPECT_STREQ("four", text.data());
}

TEST(TlvTest, BytesThatEndInAFieldAreRefusedWhereverTheyEnd) {
  Memory to;
  handoff_tlv_writer w = handoff_tlv_to_memory(&to.memory);
  handoff_tlv_text(&w, 1, "abc");
  handoff_tlv_text(&w, 2, "de");
  for (std::size_t length = 0; length <= to.memory.size; ++length) {
    const std::vector<char> bytes(to.bytes.begin(),
                                  to.bytes.begin() + static_cast<std::ptrdiff_t>(length));
    handoff_tlv_reader r = handoff_tlv_read(bytes.data(), bytes.size());
    handoff_tlv_field field{};
    int result = 1;
    int fields = 0;
    while ((result = handoff_tlv_next(&r, &field)) > 0) ++fields;
    const bool whole = length == 0 || length == 11 || length == to.memory.size;
    EXPECT_EQ(whole ? 0 : -EBADMSG, result) << length;
    EXPECT_EQ(length < 11 ? 0 : length < to.memory.size ? 1 : 2, fields) << length;
    EXPECT_EQ(result, handoff_tlv_next(&r, &field)) << "an error stays";
  }
}

TEST(TlvTest, ALengthThatCannotBeIsRefused) {
  const std::array<unsigned char, 9> bytes{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 7};
  handoff_tlv_reader r = handoff_tlv_read(bytes.data(), bytes.size());
  handoff_tlv_field field{};
  EXPECT_EQ(-EBADMSG, handoff_tlv_next(&r, &field));
}

TEST(TlvTest, TheFirstErrorStaysAndNothingIsWrittenAfterIt) {
  Memory to;
  to.memory.capacity = 20;
  handoff_tlv_writer w = handoff_tlv_to_memory(&to.memory);
  handoff_tlv_text(&w, 1, "ab");
  handoff_tlv_text(&w, 2, "much too long");
  handoff_tlv_text(&w, 3, "");
  EXPECT_EQ(-ENOSPC, handoff_tlv_end(&w));
  EXPECT_LE(to.memory.size, 20U);
  EXPECT_EQ(10 + 8, static_cast<int>(to.memory.size)) << "the head of the second is there";
}

// ---- members of a structure --------------------------------------------------------------------

struct Member {
  char nick[5];
  bool away;
  std::uint8_t small;
  std::uint16_t port;
  unsigned modes;
  std::uint64_t at;
};
constexpr handoff_tlv_member kMembers[] = {
    HANDOFF_TLV_TEXT(1, Member, nick),    HANDOFF_TLV_FLAG(2, Member, away),
    HANDOFF_TLV_NUMBER(3, Member, small), HANDOFF_TLV_NUMBER(4, Member, port),
    HANDOFF_TLV_NUMBER(5, Member, modes), HANDOFF_TLV_NUMBER(6, Member, at)};
constexpr std::size_t kCount = std::size(kMembers);

TEST(TlvTest, ATableOfMembersWritesTheFieldsThatItReads) {
  const Member given{"four", true, 0xfe, 0xfedc, 0xfedcba98, 0xfedcba9876543210};
  Memory one;
  Memory by_hand;
  handoff_tlv_writer w = handoff_tlv_to_memory(&one.memory);
  handoff_tlv_members(&w, &given, kMembers, kCount);
  ASSERT_EQ(0, handoff_tlv_end(&w));
  w = handoff_tlv_to_memory(&by_hand.memory);
  handoff_tlv_text(&w, 1, "four");
  const std::uint64_t numbers[] = {1, 0xfe, 0xfedc, 0xfedcba98, 0xfedcba9876543210};
  std::uint32_t tag = 1;
  for (const std::uint64_t number : numbers) handoff_tlv_number(&w, ++tag, number);
  EXPECT_EQ(by_hand.text(), one.text());

  Member got{};
  handoff_tlv_reader r = handoff_tlv_read(one.bytes.data(), one.memory.size);
  handoff_tlv_field field{};
  while (handoff_tlv_next(&r, &field) == 1) {
    EXPECT_EQ(1, handoff_tlv_get_member(&field, &got, kMembers, kCount)) << field.tag;
  }
  EXPECT_STREQ("four", got.nick);
  EXPECT_TRUE(got.away);
  EXPECT_EQ(given.small, got.small);
  EXPECT_EQ(given.port, got.port);
  EXPECT_EQ(given.modes, got.modes);
  EXPECT_EQ(given.at, got.at);
}

TEST(TlvTest, AMemberIsNotChangedByWhatIsNotOfIt) {
  const auto get = [](Member& to, const Memory& from) {
    handoff_tlv_reader r = handoff_tlv_read(from.bytes.data(), from.memory.size);
    handoff_tlv_field field{};
    EXPECT_EQ(1, handoff_tlv_next(&r, &field));
    return handoff_tlv_get_member(&field, &to, kMembers, kCount);
  };
  const auto number = [](std::uint32_t tag, std::uint64_t value) {
    Memory out;
    handoff_tlv_writer w = handoff_tlv_to_memory(&out.memory);
    handoff_tlv_number(&w, tag, value);
    return out;
  };
  const auto text = [](std::uint32_t tag, const char* value) {
    Memory out;
    handoff_tlv_writer w = handoff_tlv_to_memory(&out.memory);
    handoff_tlv_text(&w, tag, value);
    return out;
  };
  Member to{"old", false, 1, 2, 3, 4};
  EXPECT_EQ(0, get(to, number(7, 1))) << "of a later release";
  EXPECT_EQ(-ENOSPC, get(to, text(1, "five5")));
  EXPECT_EQ(-EBADMSG, get(to, text(4, "no number")));
  EXPECT_EQ(-ERANGE, get(to, number(3, 0x100)));
  EXPECT_EQ(-ERANGE, get(to, number(4, 0x10000)));
  EXPECT_EQ(-ERANGE, get(to, number(5, std::uint64_t{1} << 32)));
  EXPECT_STREQ("old", to.nick);
  EXPECT_EQ(1, to.small);
  EXPECT_EQ(2, to.port);
  EXPECT_EQ(3U, to.modes);
  EXPECT_EQ(1, get(to, number(2, UINT64_MAX))) << "any number that is not 0 is a true";
  EXPECT_TRUE(to.away);
  EXPECT_EQ(1, get(to, number(6, UINT64_MAX)));
  EXPECT_EQ(UINT64_MAX, to.at);
}

}  // namespace
}  // namespace handoff
