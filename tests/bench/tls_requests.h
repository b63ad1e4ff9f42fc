// What the bench's TLS services answer: one handler, over two ways of TLS. A request is a line, and
// its first byte says of what kind:
//
//   g  get: the answer is a line of kBlock bytes
//   p  put: a line of any length, of which nothing is kept; the answer is "ok"
//   else    the answer is the line itself
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bench {

class Requests {
 public:
  static constexpr std::size_t kBlock = std::size_t{256} << 10;

  // Calls write(bytes) for each part of an answer. Nothing of input is left over.
  template <class Write>
  void take(std::string_view input, Write&& write) {
    while (!input.empty()) {
      if (kind_ == 0) kind_ = input.front();
      const std::size_t end = input.find('\n');
      const bool whole = end != std::string_view::npos;
      const std::string_view part = input.substr(0, whole ? end + 1 : input.size());
      input.remove_prefix(part.size());
      if (kind_ != 'g' && kind_ != 'p') write(part);
      if (!whole) return;
      if (kind_ == 'g') write(std::string_view(block()));
      if (kind_ == 'p') write(std::string_view("ok\n"));
      kind_ = 0;
    }
  }
  // The kind of the line that is under way; 0 between two lines. All that a session has to keep.
  char under_way() const { return kind_; }
  void go_on(char kind) { kind_ = kind; }

 private:
  static const std::string& block() {
    static const std::string bytes = std::string(kBlock - 1, 'b') + "\n";
    return bytes;
  }

  char kind_ = 0;
};

}  // namespace bench
