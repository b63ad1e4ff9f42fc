// A state of tlv.h, as an heir reads it. What is read is within the bytes, and written again it is
// the same bytes, up to where they are no fields any more.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "check.h"
#include "handoff/tlv.h"

namespace {

// Of tags that the corpus has.
struct Members {
  char text[8];
  bool flag;
  std::uint16_t number;
  std::uint32_t guard;
  bool operator==(const Members&) const = default;
};
constexpr Members kUnchanged{"old", false, 1, 0x5a5a5a5a};
constexpr handoff_tlv_member kMembers[] = {HANDOFF_TLV_TEXT(1, Members, text),
                                           HANDOFF_TLV_FLAG(3, Members, flag),
                                           HANDOFF_TLV_NUMBER(2, Members, number)};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::vector<char> bytes(data, data + size);  // so that the sanitizer sees its end
  std::vector<char> again(size);
  handoff_tlv_memory memory{again.data(), again.size(), 0};
  handoff_tlv_writer w = handoff_tlv_to_memory(&memory);
  handoff_tlv_reader r = handoff_tlv_read(bytes.data(), bytes.size());
  handoff_tlv_field field{};
  int result = 0;
  std::size_t read = 0;
  while ((result = handoff_tlv_next(&r, &field)) > 0) {
    const std::string value(static_cast<const char*>(field.data), field.length);
    std::uint64_t number = 0;
    char text[16] = "unchanged";
    const int is_text = handoff_tlv_get_text(&field, text, sizeof text);
    CHECK_THAT(is_text == 0 ? text == value : std::string(text) == "unchanged", value);
    CHECK_THAT((is_text == -ENOSPC) == (value.size() >= sizeof text), value);
    Members members = kUnchanged;
    const int taken = handoff_tlv_get_member(&field, &members, kMembers, std::size(kMembers));
    CHECK_THAT(taken == 1 || members == kUnchanged, value);
    CHECK_THAT(members.guard == kUnchanged.guard, "behind the members");
    if (handoff_tlv_get_number(&field, &number) == 0) {
      handoff_tlv_number(&w, field.tag, number);
    } else {
      handoff_tlv_bytes(&w, field.tag, field.data, field.length);
    }
    read += 8 + field.length;
  }
  CHECK_THAT(handoff_tlv_end(&w) == 0, "what was read does not fit");
  CHECK_THAT(memory.size == read, "another length");
  CHECK_THAT(
      std::equal(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(read), bytes.begin()),
      "other bytes");
  CHECK_THAT(result == 0 ? read == size : read < size, "where it ended");
  return 0;
}
