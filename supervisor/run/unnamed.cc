// The part of Supervisor that goes on with services which the configuration does not name any more.
// Such a service runs until somebody stops it, whatever becomes of its supervisor. So the state
// file has the text of the configuration that named it last, and the next supervisor runs it by
// that.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/run/supervisor.h"
#include "supervisor/service/keeper.h"

namespace handoff::supervisor {

void Supervisor::go_on_without_config(Predecessor& predecessor, KeptFds& kept) {
  if (!source_.understand) return;  // the command line names the only one
  for (auto& [name, text] : predecessor.unnamed()) {
    const auto last = source_.understand(text);
    if (!last) {
      spdlog::warn("{}: what the configuration said of it last can't be read: {}", name,
                   last.error().message);
      continue;
    }
    const auto service = std::ranges::find(last->services, name, &ServiceConfig::name);
    if (service == last->services.end()) continue;
    auto before = predecessor.take(*service);
    if (!before || (before->living.empty() && !before->awaited)) {
      spdlog::warn("{} is not in the configuration any more, and has ended: forgotten", name);
      const std::string folder = KeptReleases::folder_of(journal_.journal().state(), name);
      (void)on_a_thread(
          loop_, [folder] { forget_service(folder); }, [] {});
      continue;
    }
    spdlog::warn("{} is not in the configuration any more, and runs on: handoff stop {}", name,
                 name);
    (void)try_add(*service, std::move(before), kept, false);
    unnamed_.emplace(name, text);
  }
}

// Before a configuration that was read again is in force.
void Supervisor::note_unnamed(const Config& config) {
  std::map<std::string, std::string> before = std::exchange(unnamed_, {});
  for (const auto& [name, service] : services_) {
    const auto known = before.find(name);
    const bool named =
        std::ranges::find(config.services, name, &ServiceConfig::name) != config.services.end();
    if (!named) unnamed_.emplace(name, known == before.end() ? in_force_ : known->second);
    if (named == (known == before.end())) continue;
    saved_.erase(name);  // it said otherwise
  }
  in_force_ = config.text;
}

// What the next supervisor should know of it.
SavedService Supervisor::saved(const std::string& name) {
  // One that was not resumed yet is as it was.
  const auto before = before_.find(name);
  SavedService out = before != before_.end() ? before->second.saved : services_.at(name)->saved();
  const auto text = unnamed_.find(name);
  out.last_config = text == unnamed_.end() ? "" : text->second;
  return out;
}

}  // namespace handoff::supervisor
