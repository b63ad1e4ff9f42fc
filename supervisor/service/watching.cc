#include "supervisor/service/watching.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace handoff::supervisor {

Watching::Watching(uv_loop_t* loop, WatchOptions options)
    : loop_(loop), options_(std::move(options)) {}

void Watching::follow(const Services& services) {
  std::erase_if(watches_, [&](const auto& watch) { return !services.contains(watch.first); });
  for (const auto& [name, service] : services) {
    if (!options_.all && !options_.services.contains(name)) continue;
    auto& watches = watches_[name];
    const std::vector<std::string> files = service->files();
    const bool same = std::equal(
        watches.begin(), watches.end(), files.begin(), files.end(),
        [](const auto& watch, const std::string& path) { return watch->path() == path; });
    if (same) continue;
    watches.clear();
    for (const std::string& path : files) {
      spdlog::info("{}: watching {}", name, path);
      watches.push_back(std::make_unique<FileWatch>(
          loop_, path, options_.settle,
          [this, path, runner = service.get()] { return rebuilt(*runner, path); }));
    }
  }
}

// A failure is logged, and is in the history; the next build is tried again.
bool Watching::rebuilt(ServiceRunner& service, const std::string& path) {
  if (!service.settled()) return false;
  const auto begin = [runner = &service, path](bool another) {
    if (another) {
      spdlog::info("{}: {} has been rebuilt", runner->name(), path);
      // Nobody is there to ask for --one-way.
      runner->upgrade({.one_way = true}, runner->timeouts(), {});
    } else {
      spdlog::info("{}: {} has been rebuilt, and is as it was", runner->name(), path);
    }
  };
  if (const auto known = service.drift(begin)) begin(*known);
  return true;
}

}  // namespace handoff::supervisor
