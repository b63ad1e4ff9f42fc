#include "echo_stream.h"

#include <algorithm>

namespace echo {

std::size_t EchoStream::on_input(std::string_view input) {
  std::size_t used = 0;
  std::string replies;
  for (;;) {
    const std::size_t end = input.find('\n', std::max(used, seen()));
    const std::size_t length = (end == std::string_view::npos ? input.size() : end) - used;
    if (length > kMaxLine) {
      write(replies);
      close();
      return input.size();
    }
    if (end == std::string_view::npos) break;
    on_line(++lines_);
    const std::string_view text = input.substr(used, length);
    if (text == "hold") hold();
    if (text == "release") release();
    replies += std::to_string(lines_);
    replies += ' ';
    replies += version_;
    replies += ' ';
    replies += input.substr(used, length + 1);
    used = end + 1;
  }
  write(replies);
  return used;
}

}  // namespace echo
