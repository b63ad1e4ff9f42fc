#include "supervisor/run/config_notes.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>

#include "supervisor/releases/release.h"
#include "supervisor/releases/run_path.h"
#include "supervisor/releases/secure_exec.h"
#include "supervisor/service/service_releases.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// Of the folder, or of what it will be created in.
bool is_noexec(std::filesystem::path folder) {
  struct statvfs info {};
  while (::statvfs(folder.c_str(), &info) < 0) {
    if (!folder.has_parent_path() || folder == folder.parent_path()) return false;
    folder = folder.parent_path();
  }
  return (info.f_flag & ST_NOEXEC) != 0;
}

unsigned line_of(const Config& config, const std::string& key) {
  const auto found = config.lines.find(key);
  return found == config.lines.end() ? 0 : found->second;
}

std::string run_path_note(int file, const std::string& path) {
  const std::string where = run_path_of(file);
  if (where.find("$ORIGIN") == std::string::npos && where.find("${ORIGIN}") == std::string::npos) {
    return "";
  }
  return path + " looks for libraries in " + where +
         ", where the copy of it that is kept does not find them: should the file be moved away or "
         "changed, it can't be started again. A bundle has its libraries with it";
}

}  // namespace

std::vector<ConfigProblem> config_notes(const Config& config, const std::string& state,
                                        const json& services) {
  std::vector<ConfigProblem> out;
  if (!state.empty() && is_noexec(state)) {
    out.push_back({0, "the state folder " + state +
                          " is on a file system that is mounted noexec, where no copies of "
                          "releases can be kept: set HANDOFF_STATE_DIR to another folder"});
  }
  for (const ServiceConfig& service : config.services) {
    if (service.command.empty()) continue;
    const unsigned line = line_of(config, service.name + ".command");
    if (const auto path = find_program(service.command.front())) {
      if (const auto file = open_executable(*path)) {
        // What is verified runs from a copy in memory, which has no owner but this one and no
        // rights.
        const bool its_rights = service.verify_key.empty();
        for (std::string note : {run_path_note(file->get(), *path),
                                 its_rights ? secure_exec_note(file->get(), *path) : ""}) {
          if (!note.empty()) out.push_back({line, service.name + ": command: " + std::move(note)});
        }
      }
    }
    const Wanted names = configured(service);
    for (const json& running : services) {
      if (running.value("name", "") != service.name || !running.contains("args")) continue;
      if (running.value("source", "") == names.path && running["args"] == json(names.args))
        continue;
      out.push_back({line, service.name + ": what runs is " + running.value("source", "") +
                               ", as it was chosen (handoff upgrade --config " + service.name +
                               ")"});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  return out;
}

}  // namespace handoff::supervisor
