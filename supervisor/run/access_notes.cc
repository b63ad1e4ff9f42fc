#include "supervisor/run/access_notes.h"

#include <set>

#include "supervisor/base/write_access.h"
#include "supervisor/releases/release.h"

namespace handoff::supervisor {

std::vector<ConfigProblem> access_notes(const Config& config, const std::string& file,
                                        const std::string& state) {
  std::vector<ConfigProblem> out;
  std::set<std::string> told;  // one folder is above many files
  const auto look = [&](unsigned line, const std::string& path, const std::string& what) {
    if (path.empty()) return;
    for (const std::string& note : write_access(path)) {
      if (told.insert(note).second) out.push_back({line, note + "; " + what + " is " + path});
    }
  };
  look(0, file, "the configuration");
  look(0, state, "the state folder");
  for (const ServiceConfig& service : config.services) {
    const auto line = [&](const char* key) {
      const auto found = config.lines.find(service.name + "." + key);
      return found == config.lines.end() ? 0U : found->second;
    };
    look(line("releases_dir"), service.releases_dir, service.name + "'s releases_dir");
    if (service.verify_key.starts_with('/')) {
      look(line("verify"), service.verify_key, service.name + "'s verify.key");
    }
    if (service.command.empty()) continue;
    const auto program = find_program(service.command.front());
    if (program) look(line("command"), *program, "the program of " + service.name);
  }
  return out;
}

}  // namespace handoff::supervisor
