#include "oddity.h"

#include <cstdint>
#include <optional>
#include <set>

#include "handoff.pb.h"

namespace handoff::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

enum WireType : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Varint {
  std::uint64_t value = 0;
  std::size_t length = 0;
  bool too_wide = false;
};

std::optional<Varint> take_varint(std::string_view& rest) {
  Varint out;
  while (out.length < rest.size() && out.length < 10) {
    const auto byte = static_cast<unsigned char>(rest[out.length]);
    if (out.length == 9 && (byte & 0x7e) != 0) out.too_wide = true;
    out.value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * out.length);
    ++out.length;
    if (byte < 0x80) {
      rest.remove_prefix(out.length);
      return out;
    }
  }
  return std::nullopt;
}

bool is_utf8(std::string_view text) {
  v1::Cancel message;
  message.set_reason(std::string(text));
  return v1::Cancel().ParseFromString(message.SerializeAsString());
}

std::string look_at_bytes(const FieldDescriptor& field, std::string_view bytes,
                          std::set<int>& seen) {
  if (field.type() == FieldDescriptor::TYPE_STRING && !is_utf8(bytes)) return "no UTF-8";
  if (field.type() != FieldDescriptor::TYPE_MESSAGE) return "";
  if (!field.is_repeated() && !seen.insert(field.number()).second) return "a message twice";
  return find_oddity(*field.message_type(), bytes);
}

}  // namespace

std::string find_oddity(const Descriptor& message, std::string_view rest) {
  std::set<int> seen;
  while (!rest.empty()) {
    const auto tag = take_varint(rest);
    if (!tag) return "";
    if (tag->length > 5 || tag->value > UINT32_MAX) return "a long tag";
    const int number = static_cast<int>(tag->value >> 3);
    if (number >= 19000 && number <= 19999) return "a reserved field number";
    const FieldDescriptor* field = message.FindFieldByNumber(number);
    switch (tag->value & 7) {
      case kVarint: {
        const auto value = take_varint(rest);
        if (!value) return "";
        if (value->too_wide) return "a wide varint";
        if (field != nullptr && field->type() == FieldDescriptor::TYPE_ENUM &&
            (value->value > INT32_MAX ||
             field->enum_type()->FindValueByNumber(static_cast<int>(value->value)) == nullptr)) {
          return "an unknown enum value";
        }
        break;
      }
      case kBytes: {
        const auto length = take_varint(rest);
        if (!length) return "";
        if (length->length > 5 || length->value > INT32_MAX) return "a long length";
        if (length->value > rest.size()) return "";
        const auto bytes = rest.substr(0, length->value);
        rest.remove_prefix(bytes.size());
        if (field == nullptr) break;
        if (auto odd = look_at_bytes(*field, bytes, seen); !odd.empty()) return odd;
        break;
      }
      case kFixed64:
      case kFixed32: {
        const std::size_t size = (tag->value & 7) == kFixed64 ? 8 : 4;
        if (rest.size() < size) return "";
        rest.remove_prefix(size);
        break;
      }
      default:
        return "a group";
    }
  }
  return "";
}

}  // namespace handoff::fuzz
