#include "codec.h"

namespace kv {

void Encoder::number(std::uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void Encoder::signed_number(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  number((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0));
}

void Encoder::bytes(std::string_view value) {
  number(value.size());
  out_.append(value);
}

std::uint64_t Decoder::number() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (in_.empty()) throw Malformed("a number is cut");
    const auto byte = static_cast<unsigned char>(in_.front());
    in_.remove_prefix(1);
    if (shift == 63 && byte > 1) break;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  throw Malformed("a number has more than 64 bits");
}

std::int64_t Decoder::signed_number() {
  const std::uint64_t bits = number();
  return static_cast<std::int64_t>((bits >> 1) ^ ((bits & 1) != 0 ? ~std::uint64_t{0} : 0));
}

bool Decoder::flag() {
  const std::uint64_t value = number();
  if (value > 1) throw Malformed("a flag is neither 0 nor 1");
  return value == 1;
}

std::string_view Decoder::bytes() {
  const std::uint64_t size = number();
  if (size > in_.size()) throw Malformed("a string is cut");
  const std::string_view value = in_.substr(0, size);
  in_.remove_prefix(size);
  return value;
}

std::size_t Decoder::count() {
  const std::uint64_t n = number();
  if (n > in_.size()) throw Malformed("fewer items than announced");
  return n;
}

void Decoder::expect_done() const {
  if (!in_.empty()) throw Malformed("bytes are left over");
}

}  // namespace kv
