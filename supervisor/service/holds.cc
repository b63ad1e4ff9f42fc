#include "supervisor/service/holds.h"

#include <utility>

#include "libhandoff/sys/process.h"

namespace handoff::supervisor {

Holds::Holds(uv_loop_t* loop, ProcessTable& processes, std::function<void()> known)
    : known_(std::move(known)), timer_(loop, [this] {
        if (const auto tell = std::exchange(known_, nullptr)) tell();
      }) {
  for (const auto& [generation, process] : processes.all()) {
    if (handoff::io::has_exited(process->pidfd.get())) continue;
    silent_.insert(generation);
    (void)processes.ask_for_processes(
        generation,
        [this, here = std::weak_ptr<bool>(here_), who = generation](const SessionsCounted& answer) {
          if (!here.expired()) answered(who, answer);
        });
  }
  timer_.at(silent_.empty() ? now() : now() + kAnswers);
}

void Holds::answered(Generation generation, const SessionsCounted& answer) {
  for (const protocol::SessionProcess& process : answer.processes) {
    holds_.push_back({generation, static_cast<int>(process.pid), process.started});
  }
  if (!answer.more) silent_.erase(generation);
  if (silent_.empty()) timer_.at(now());
}

}  // namespace handoff::supervisor
