#include "supervisor/service/trial_watch.h"

#include <algorithm>
#include <utility>

namespace handoff::supervisor {
namespace {

// One that names no listeners has all.
bool accepts(const Process& process, const Listener& listener) {
  return process.named.empty() ||
         std::any_of(process.named.begin(), process.named.end(),
                     [&](const NamedFd& named) { return named.name == listener.name(); });
}

}  // namespace

TrialWatch::TrialWatch(uv_loop_t* loop, const HealthCheck& check, HealthWatch::Heard heard,
                       std::function<void()> census)
    : health_(loop, check, std::move(heard)), census_(std::move(census)), timer_(loop, [this] {
        if (counting_ == 0) return;
        census_();
        timer_.at(now() + kCensusEvery);
      }) {}

void TrialWatch::watch(const Process* process, const HealthCheck& check,
                       const Listeners& listeners) {
  if (process == nullptr) {
    health_.watch(0, -1, "");
    timer_.at(std::nullopt);
    counting_ = 0;
    return;
  }
  if (std::exchange(counting_, process->generation) != process->generation) {
    timer_.at(now());
  }
  std::string address;
  for (const Listener* listener : listeners.here(process->named)) {
    if (!accepts(*process, *listener)) continue;  // kept: a client would wait in its queue
    const bool meant =
        check.listener.empty() ? address.empty() : listener->name() == check.listener;
    if (meant) address = listener->address();
  }
  health_.watch(process->generation, process->pid, address);
}

}  // namespace handoff::supervisor
