// The history, as `handoff history` and the next supervisor read it. What is whole is read and the
// rest is passed over; what is written after it is read as the last.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "scratch.h"
#include "supervisor/cli/options.h"
#include "supervisor/host/journal.h"

namespace {

using namespace handoff;
using namespace handoff::supervisor;
using nlohmann::json;
using Records = std::vector<json>;

Records read(const std::string& path, std::optional<std::uint64_t> last = std::nullopt) {
  Records out;
  const auto done = read_journal(
      path, [&](const json& record) { out.push_back(record); }, last);
  CHECK_THAT(done, done.error().message);
  return out;
}

bool ends_with(const Records& all, const Records& last) {
  return last.size() <= all.size() && std::equal(last.rbegin(), last.rend(), all.rbegin());
}

std::string told(bool as_json) {
  std::ostringstream out;
  std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
  const ExitStatus status = history_command({.json = as_json});
  std::cout.rdbuf(before);
  CHECK_THAT(status == ExitStatus::kDone, out.str());
  return out.str();
}

void check_told(const Records& all) {
  std::istringstream lines(told(true));
  Records printed;
  for (std::string line; std::getline(lines, line);) printed.push_back(json::parse(line));
  CHECK_THAT(printed == all, "not what was read");
  const std::string rows = told(false);
  CHECK_THAT(rows.starts_with("AT "), rows);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const fuzz::Scratch scratch;
  ::setenv("HANDOFF_STATE_DIR", scratch.path().c_str(), 1);
  ::setenv("HANDOFF_RUNTIME_DIR", (scratch.path() + "/run").c_str(), 1);  // no supervisor is there
  const std::string path = journal_path(scratch.path());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::write_file(path, text);
  const Records all = read(path);
  CHECK_THAT(std::ranges::all_of(all, [](const json& one) { return one.is_object(); }),
             "a record that is no object");
  for (const std::size_t last : {std::size_t{0}, size / 2, size}) {
    CHECK_THAT(ends_with(all, read(path, last)), "the last " + std::to_string(last));
  }
  check_told(all);
  Journal journal(scratch.path());
  const auto appended = journal.append({{"event", "commit"}, {"service", "chat"}});
  CHECK_THAT(appended, appended.error().message);
  Records more = read(path);
  CHECK_THAT(!more.empty() && more.back().at("event") == "commit", "the new record is not there");
  more.pop_back();
  CHECK_THAT(more == all, "a new record changes the others");
  return 0;
}
