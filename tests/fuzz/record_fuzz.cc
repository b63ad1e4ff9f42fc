// The records of a section, as an heir reads them out of chunks. The same ones come out however the
// bytes are cut, and they are what a donor's writer makes these bytes of.
#include <algorithm>
#include <handoff/handoff.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

namespace {

using handoff::detail::RecordReader;
using handoff::detail::RecordWriter;

struct Reading {
  std::vector<std::string> records;
  bool between = true;
  bool refused = false;
  friend bool operator==(const Reading&, const Reading&) = default;
};

Reading read(std::string_view bytes, std::size_t step) {
  RecordReader reader;
  Reading out;
  try {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      reader.feed(bytes.substr(at, step),
                  [&](std::string_view record) { out.records.emplace_back(record); });
    }
    out.between = reader.between_records();
  } catch (const std::runtime_error&) {
    out.refused = true;
  }
  return out;
}

std::string written(const std::vector<std::string>& records, std::size_t capacity) {
  RecordWriter writer;
  std::string out;
  std::string chunk(capacity, '\0');
  for (const std::string& record : records) {
    writer.put(record);
    while (!writer.empty()) out.append(chunk, 0, writer.fill(chunk.data(), chunk.size()));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Reading whole = read(bytes, std::max<std::size_t>(bytes.size(), 1));
  CHECK_THAT(read(bytes, step) == whole, "another step: " + std::to_string(step));
  CHECK_THAT(read(bytes, 1) == whole, "byte by byte");
  const Reading again = read(written(whole.records, step), step);
  CHECK_THAT(again.records == whole.records && again.between && !again.refused,
             "what is written is not what was read");
  return 0;
}
