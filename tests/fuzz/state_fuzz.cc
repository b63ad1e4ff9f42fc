// The state file and a service's choice.json. One that is read is written and read again as the
// same; the error of any other names the file.
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "supervisor/host/choice.h"
#include "supervisor/host/saved_state.h"

namespace {

using namespace handoff;
using namespace handoff::supervisor;
using nlohmann::json;

const std::string kFile = "state.json";
const Time kNow{std::chrono::hours(5)};

void check_error(const Error& error) {
  CHECK_THAT(error.code == -EPROTO && error.message.starts_with(kFile), error.message);
}

void check_state(const std::string& text) {
  const auto state = parse_state(text, kFile);
  if (!state) return check_error(state.error());
  std::vector<std::string> services;
  for (const SavedService& one : state->services) services.push_back(state_text_of(one));
  const std::string written = whole_state_text(state->boot, {services.begin(), services.end()});
  const auto again = parse_state(written, kFile);
  CHECK_THAT(again, again.error().message + "\n" + written);
  CHECK_THAT(to_json(*again) == to_json(*state), written);
}

void check_choice(const std::string& text) {
  const auto choice = parse_choice(text, kFile, kNow);
  if (!choice) return check_error(choice.error());
  const std::string written = choice_text(*choice, kNow);
  const auto again = parse_choice(written, kFile, kNow);
  CHECK_THAT(again, again.error().message + "\n" + written);
  CHECK_THAT(choice_text(*again, kNow) == written, written);
  CHECK_THAT(choice->cold && choice->processes.empty(), "something of it lives");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_state(text);
  check_choice(text);
  return 0;
}
