// State as bytes: varints and length-prefixed strings. Another process wrote what a Decoder reads,
// so it believes nothing: what is cut, too long or left over is a Malformed.
#ifndef HANDOFF_EXAMPLES_KV_CODEC_H
#define HANDOFF_EXAMPLES_KV_CODEC_H

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kv {

class Malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Appends to a borrowed string.
class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);  // small for small values of either sign
  void flag(bool value) { number(value ? 1 : 0); }
  void bytes(std::string_view value);

 private:
  std::string& out_;
};

// Reads what an Encoder wrote, in the same order; every function may throw Malformed.
class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}
  std::uint64_t number();
  std::int64_t signed_number();
  bool flag();
  std::string_view bytes();  // a view into the input
  // How many items follow. Each takes at least one byte, so a count above the bytes that are left
  // is Malformed, before anything is allocated.
  std::size_t count();
  bool done() const { return in_.empty(); }
  void expect_done() const;

 private:
  std::string_view in_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_CODEC_H
