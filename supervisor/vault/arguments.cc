#include "supervisor/vault/arguments.h"

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

namespace handoff::supervisor {
namespace {

template <class Number>
bool number_from(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<ReaderArguments> read_arguments(int argc, const char* const* argv) {
  ReaderArguments out;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view word = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    std::uint64_t session = 0;
    bool good = false;
    if (word == "--of") good = number_from(value, out.of) && out.of != 0;
    if (word == "--memory") good = number_from(value, out.memory) && out.memory > 2;
    if (word == "--keeper") good = number_from(value, out.keeper) && out.keeper > 2;
    if (word == "--quarantine") {
      good = number_from(value, session) && session != 0;
      out.quarantined.insert(session);
    }
    if (!good) return fail(-EINVAL, std::string(word) + " " + std::string(value));
  }
  if (out.of == 0 || out.memory < 0 || out.keeper < 0 || out.memory == out.keeper) {
    return fail(-EINVAL, "--of, --memory and --keeper are needed");
  }
  return out;
}

}  // namespace handoff::supervisor
