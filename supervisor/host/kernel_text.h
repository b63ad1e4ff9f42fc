// A file of /proc or of a control group, read once; most have lines of "KEY NUMBER". No iostreams:
// these files are read for each of many services that are upgraded at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace handoff::supervisor {

class KernelText {
 public:
  // Empty where the file can't be read.
  explicit KernelText(const std::filesystem::path& file);

  const std::string& text() const { return text_; }
  // The number that is the first word; nullopt for none, as in "max".
  std::optional<std::uint64_t> first() const;
  // The value of "KEY NUMBER" or "KEY: NUMBER", whatever follows it.
  std::optional<std::uint64_t> of(std::string_view key) const;

 private:
  std::string text_;
};

}  // namespace handoff::supervisor
