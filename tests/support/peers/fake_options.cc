#include "support/peers/fake_options.h"

#include <cstdlib>

namespace handoff::test {
namespace {

struct Option {
  std::string otherwise;         // its value where it is not given
  std::set<std::string> values;  // that it may have; none: any. "exit=" stands for every status
};

const std::map<std::string, Option>& known() {
  static const std::map<std::string, Option> kKnown{
      {"release", {"1.0", {}}},
      {"sessions", {"0", {}}},
      {"owns", {}},
      {"fresh", {"serve", {"serve", "exit=", "silent", "mute", "crash-after-register"}}},
      {"heir",
       {"serve",
        {"serve", "exit=", "silent", "fail", "segv-in-copy", "exit-in-copy", "hang-in-copy",
         "crash-after-register", "die-after-release", "die-after-owner"}}},
      {"donor",
       {"serve", {"serve", "fail", "die-in-copy", "hang", "stay", "stay-on-term", "linger"}}},
      {"lost", {"0", {}}},
      {"ignore", {"", {"stop", "query"}}},
      {"wait-for", {}},
      {"own-after", {}},
      {"frame", {}},
      {"flood", {"", {"health", "owner", "progress", "register", "reconnect"}}},
      {"health", {"", {"well", "ill"}}},
      {"ill-when", {}},
      {"errors", {"0", {}}},
      {"answer", {}},
      {"orphans", {"0", {}}},
      {"needs", {}},
      {"workers", {"0", {}}},
      {"own-port", {"0", {}}}};
  return kKnown;
}

std::string objection_to(const std::string& option, const char* value) {
  const auto found = known().find(option.starts_with("--") ? option.substr(2) : "");
  if (found == known().end()) return "there is no option " + option + ": see fake_options.h";
  if (value == nullptr) return option + " lacks its value";
  const std::string text(value);
  const std::set<std::string>& values = found->second.values;
  if (values.empty() || values.contains(text.starts_with("exit=") ? "exit=" : text)) return "";
  std::string out = option + " can't be " + text + ", but";
  for (const std::string& other : values) out += " " + other;
  return out;
}

}  // namespace

FakeOptions::FakeOptions(int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    objection_ = objection_to(argv[i], argv[i + 1]);
    if (!objection_.empty()) return;
    const std::string name = argv[i] + 2;
    if (name == "ignore") {
      ignored_.insert(argv[i + 1]);
    } else {
      given_[name] = argv[i + 1];
    }
  }
}

const std::string& FakeOptions::text(const std::string& name) const {
  const auto found = given_.find(name);
  return found != given_.end() ? found->second : known().at(name).otherwise;
}

std::uint64_t FakeOptions::number(const std::string& name) const {
  return std::strtoull(text(name).c_str(), nullptr, 10);
}

}  // namespace handoff::test
