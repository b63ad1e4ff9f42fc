#include "supervisor/processes/ending.h"

#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "supervisor/processes/adoption.h"

namespace handoff::supervisor {

Ending::Ending(uv_loop_t* loop, std::string who, Duration grace, std::function<void()> gone)
    : loop_(loop),
      who_(std::move(who)),
      gone_(std::move(gone)),
      kills_(grace == Duration{}),
      patience_(loop, [this] { run_out(); }) {
  patience_.at(now() + (kills_ ? kKilled : grace));
}

bool Ending::end(const std::vector<ProcessSeen>& processes) {
  ended_.clear();
  if (kills_ && ++rounds_ > kMostRounds) {
    spdlog::error("{}: {} are left, and start others faster than they can be ended", who_,
                  names_of(processes));
    return false;
  }
  if (kills_) patience_.at(now() + kKilled);
  for (const ProcessSeen& seen : processes) {
    if (beyond_us_.contains({seen.pid, seen.started})) continue;
    auto held = hold_process(seen.pid);
    if (!held || held->started != seen.started) continue;
    auto one = std::make_unique<One>();
    one->seen = seen;
    one->pidfd = std::move(held->pidfd);
    if (!signal(*one, kills_ ? SIGKILL : SIGTERM)) continue;
    one->poll = std::make_unique<Poll>(loop_, one->pidfd.get(),
                                       [this, pid = seen.pid](int) { ended(pid); });
    one->poll->watch(UV_READABLE);
    waits_.push_back(std::move(one));
  }
  return !waits_.empty();
}

bool Ending::signal(const One& one, int number) {
  if (::syscall(SYS_pidfd_send_signal, one.pidfd.get(), number, nullptr, 0) == 0) {
    spdlog::info("{}: {} (pid {}) is left, and is ended: {}", who_, one.seen.command, one.seen.pid,
                 number == SIGKILL ? "SIGKILL" : "SIGTERM");
    return true;
  }
  if (errno == ESRCH) return false;
  spdlog::error("{}: {} (pid {}) is left, and can't be ended: {}", who_, one.seen.command,
                one.seen.pid, std::strerror(errno));
  beyond_us_.emplace(one.seen.pid, one.seen.started);
  return false;
}

void Ending::ended(int pid) {
  const auto one = std::find_if(waits_.begin(), waits_.end(),
                                [pid](const auto& waits) { return waits->seen.pid == pid; });
  if (one == waits_.end()) return;
  (*one)->poll->watch(0);
  ended_.push_back(std::move(*one));
  waits_.erase(one);
  if (waits_.empty()) gone_();
}

void Ending::hurry() {
  if (!kills_) run_out();
}

void Ending::run_out() {
  if (kills_) return give_up();
  kill_all();
}

void Ending::kill_all() {
  kills_ = true;
  patience_.at(now() + kKilled);
  for (const auto& one : waits_) (void)signal(*one, SIGKILL);
}

void Ending::give_up() {
  if (waits_.empty()) return;
  for (auto& one : waits_) {
    spdlog::error(
        "{}: {} (pid {}) is left, and still there after SIGKILL: it waits for a disk, say", who_,
        one->seen.command, one->seen.pid);
    beyond_us_.emplace(one->seen.pid, one->seen.started);
    one->poll->watch(0);
    ended_.push_back(std::move(one));
  }
  waits_.clear();
  gone_();
}

}  // namespace handoff::supervisor
