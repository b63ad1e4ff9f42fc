#include "libhandoff/protocol/writer.h"

#include <array>
#include <protozero/varint.hpp>

namespace handoff::protocol {

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
