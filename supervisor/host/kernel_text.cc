#include "supervisor/host/kernel_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

constexpr std::string_view kSpace = " \t\n";

// Takes the next word out of a line.
std::string_view word_of(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kSpace), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kSpace));
  line.remove_prefix(word.size());
  return word;
}

std::optional<std::uint64_t> number(std::string_view word) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
  if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return std::nullopt;
  return value;
}

}  // namespace

KernelText::KernelText(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return;
  std::array<char, 8192> chunk;
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text_.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

std::optional<std::uint64_t> KernelText::first() const {
  std::string_view rest = text_;
  return number(word_of(rest));
}

std::optional<std::uint64_t> KernelText::of(std::string_view key) const {
  for (std::string_view rest = text_; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::string_view name = word_of(line);
    if (name.ends_with(':')) name.remove_suffix(1);
    if (name == key) return number(word_of(line));
  }
  return std::nullopt;
}

}  // namespace handoff::supervisor
