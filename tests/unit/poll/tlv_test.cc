// Fields that are written are read, and bytes that are no fields are refused, wherever they end.
#include <gtest/gtest.h>

#include <array>
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

}  // namespace
}  // namespace handoff
