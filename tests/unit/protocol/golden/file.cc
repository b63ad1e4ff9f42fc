#include "file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace handoff::golden {
namespace {

constexpr std::string_view kValue = "#   ";

std::string hex(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.empty()) out += ' ';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out + '\n';
}

std::optional<char> from_hex(const std::string& word) {
  const auto is_digit = [](unsigned char c) { return std::isxdigit(c) != 0; };
  if (word.size() != 2 || !std::all_of(word.begin(), word.end(), is_digit)) return std::nullopt;
  return static_cast<char>(std::stoi(word, nullptr, 16));
}

}  // namespace

std::string to_text(const File& file) {
  constexpr std::size_t kPerLine = 16;
  std::string out = "# " + file.name.substr(0, file.name.find('.')) +
                    ", wire version 1. The values, in protobuf's text format:\n";
  std::istringstream values(file.values);
  for (std::string line; std::getline(values, line);) out += std::string(kValue) + line + '\n';
  const std::string_view frame = file.frame;
  out += hex(frame.substr(0, protocol::kHeaderSize));
  for (std::size_t at = protocol::kHeaderSize; at < frame.size(); at += kPerLine) {
    out += hex(frame.substr(at, kPerLine));
  }
  return out;
}

std::optional<File> from_text(std::string name, const std::string& text) {
  File file{.name = std::move(name), .values = {}, .frame = {}};
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kValue)) file.values += line.substr(kValue.size()) + '\n';
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      const auto byte = from_hex(word);
      if (!byte) return std::nullopt;
      file.frame += *byte;
    }
  }
  return file;
}

std::vector<std::string> list(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".hex") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<File> load(const std::string& folder, const std::string& name) {
  std::ifstream in(std::filesystem::path(folder) / name);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return std::nullopt;
  return from_text(name, text.str());
}

bool save(const std::string& folder, const File& file) {
  std::ofstream out(std::filesystem::path(folder) / file.name);
  return static_cast<bool>(out << to_text(file));
}

}  // namespace handoff::golden
