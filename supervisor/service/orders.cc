#include "supervisor/service/orders.h"

#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "libhandoff/sys/failpoint.h"

namespace handoff::supervisor {

Orders::Orders(ProcessTable& processes, const ServiceConfig& config,
               std::function<void(Event)> unreachable)
    : processes_(processes), config_(config), unreachable_(std::move(unreachable)) {}

void Orders::carry_out(const SendDonate& donate) {
  Process* donor = processes_.find(donate.donor);
  Process* heir = processes_.find(donate.heir);
  bool sent = false;
  if (donor != nullptr && heir != nullptr && heir->donor_end.valid()) {
    const int fds[] = {heir->donor_end.get(), heir->pidfd.get()};
    core::MayLeaveOut may = may_leave_out(config_.unclaimed, donate.direction);
    if (donor->manifest && heir->manifest &&
        gives_all_back(*donor->manifest, *heir->manifest, heir->given_back)) {
      may.listeners = true;
    }
    sent = donor->send(
        protocol::Type::kDonate,
        encode_donate(donate.heir,
                      {.id = donate.heir,
                       .channel_index = 0,
                       .peer_index = 1,
                       .peer_pid = static_cast<std::uint32_t>(heir->pid),
                       .timeouts = donate.timeouts,
                       .rehearsal = donate.rehearsal,
                       .drain_incompatible = config_.drain_incompatible,
                       .spread = heir->spread,
                       .claims = heir->manifest,
                       .may = may,
                       .unmovable = unmovable_for(config_.unmovable, donate.direction)}),
        fds);
    heir->donor_end.reset();
  }
  if (!sent) {
    unreachable_(HandoffFailed{donate.donor, donate.heir, "unreachable",
                               "its control socket is closed, or full because it hangs"});
  }
}

void Orders::carry_out(const SendStop& stop) {
  Process* process = processes_.find(stop.generation);
  if (process == nullptr) return;
  if (!process->send(protocol::Type::kStop, encode_stop(stop.deadline))) {
    carry_out(Signal{stop.generation, false});
  }
}

void Orders::carry_out(const SendDrain& drain) {
  Process* process = processes_.find(drain.generation);
  if (process == nullptr) return;
  (void)process->send(protocol::Type::kDrain, encode_drain(drain.deadline, drain.policy));
}

void Orders::carry_out(const SendRelink& relink) {
  Process* late = processes_.find(relink.late);
  Process* owner = processes_.find(relink.owner);
  if (late == nullptr || owner == nullptr) return;
  auto pair = io::Channel::make_pair();
  if (!pair) {
    spdlog::error("{}: {}", config_.name, pair.error().message);
    return;
  }
  // If only one of them can be told, it sees that the other end is closed.
  const auto send = [&](Process& to, const UniqueFd& end, const Process& other) {
    const int fds[] = {end.get(), other.pidfd.get()};
    (void)to.send(protocol::Type::kRelink,
                  encode_relink(other.generation, config_.timeouts.freeze_budget), fds);
  };
  send(*late, pair->first, *owner);
  send(*owner, pair->second, *late);
}

void Orders::carry_out(const SendSpread& spread) {
  Process* process = processes_.find(spread.generation);
  if (process != nullptr) {
    (void)process->send(protocol::Type::kSpread, encode_spread(spread.permille));
  }
}

void Orders::carry_out(const SendCancel& cancel) {
  Process* process = processes_.find(cancel.generation);
  if (process == nullptr) return;
  (void)process->send(protocol::Type::kCancel, encode_cancel(cancel.handoff_id, cancel.reason));
}

// Where its program is still being opened there is no process, and that may take as long as a disk
// likes.
void Orders::carry_out(const EndStart& end) {
  if (processes_.find(end.generation) != nullptr) return carry_out(Signal{end.generation, true});
  unreachable_(SpawnFailed{end.generation, "it is not wanted any more", "cancelled"});
}

void Orders::carry_out(const Signal& signal) {
  const Process* process = processes_.find(signal.generation);
  if (process == nullptr || !process->pidfd.valid()) return;
  const int number = signal.kill ? SIGKILL : SIGTERM;
  failpoint::hit("supervisor.signal.before");
  if (::syscall(SYS_pidfd_send_signal, process->pidfd.get(), number, nullptr, 0) < 0 &&
      errno != ESRCH) {
    spdlog::error("{}: generation {} (pid {}) can't be signalled: {}", config_.name,
                  signal.generation, process->pid, std::strerror(errno));
  }
  failpoint::hit("supervisor.signal.after");
}

}  // namespace handoff::supervisor
