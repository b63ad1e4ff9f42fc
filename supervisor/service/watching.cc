#include "supervisor/service/watching.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace handoff::supervisor {

Watching::Watching(uv_loop_t* loop, WatchOptions options)
    : loop_(loop), options_(std::move(options)) {}

void Watching::follow(const Services& services) {
  std::erase_if(watches_, [&](const auto& watch) { return !services.contains(watch.first); });
  for (const auto& [name, service] : services) {
    if (!options_.all && !options_.services.contains(name)) continue;
    auto& watch = watches_[name];
    if (watch && watch->path() == service->source()) continue;
    spdlog::info("{}: watching {}", name, service->source());
    watch =
        std::make_unique<FileWatch>(loop_, service->source(), options_.settle,
                                    [this, runner = service.get()] { return rebuilt(*runner); });
  }
}

// A failure is logged, and is in the history; the next build is tried again.
bool Watching::rebuilt(ServiceRunner& service) {
  if (!service.settled()) return false;
  const auto begin = [runner = &service](bool another) {
    if (another) {
      spdlog::info("{}: {} has been rebuilt", runner->name(), runner->source());
      runner->upgrade("", std::nullopt, runner->timeouts(), {});
    } else {
      spdlog::info("{}: {} has been rebuilt, and is as it was", runner->name(), runner->source());
    }
  };
  if (const auto known = service.drift(begin)) begin(*known);
  return true;
}

}  // namespace handoff::supervisor
