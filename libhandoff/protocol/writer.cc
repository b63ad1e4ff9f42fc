#include "libhandoff/protocol/writer.h"

#include <array>
#include <protozero/varint.hpp>

namespace handoff::protocol {

std::string clean(std::string_view in, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < in.size();) {
    const auto c = static_cast<unsigned char>(in[i]);
    const std::size_t length = c < 0x80                ? 1
                               : c >= 0xc2 && c < 0xe0 ? 2
                               : c >= 0xe1 && c < 0xed ? 3
                                                       : 0;
    bool good = length > 0 && i + length <= in.size() && (c >= 0x20 || c == '\n' || c == '\t');
    for (std::size_t k = 1; good && k < length; ++k) {
      good = (static_cast<unsigned char>(in[i + k]) & 0xc0) == 0x80;
    }
    const std::string_view piece = good ? in.substr(i, length) : std::string_view("?");
    if (out.size() + piece.size() > limit) break;
    out += piece;
    i += good ? length : 1;
  }
  return out;
}

void Writer::long_varint(std::uint64_t value) {
  std::array<char, protozero::max_varint_length> bytes{};
  const int length = protozero::add_varint_to_buffer(bytes.data(), value);
  out_.append(bytes.data(), static_cast<std::size_t>(length));
}

void Writer::lengthen(std::size_t at, std::size_t length) {
  std::array<char, protozero::max_varint_length> bytes{};
  const int needs = protozero::add_varint_to_buffer(bytes.data(), length);
  out_.replace(at, 1, bytes.data(), static_cast<std::size_t>(needs));
}

}  // namespace handoff::protocol
