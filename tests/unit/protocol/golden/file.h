// A golden frame on disk: for people, comments and hex; for tests, its bytes, and the values as
// protobuf's text format, which stand in the comments that are indented.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libhandoff/protocol/frame.h"

namespace handoff::golden {

struct File {
  std::string name;
  std::string values;  // text format
  std::string frame;   // header and body
};

std::string to_text(const File& file);
// nullopt if text has anything that is neither a comment nor hex.
std::optional<File> from_text(std::string name, const std::string& text);

// The names of all files in the folder, sorted.
std::vector<std::string> list(const std::string& folder);
std::optional<File> load(const std::string& folder, const std::string& name);
bool save(const std::string& folder, const File& file);

}  // namespace handoff::golden
