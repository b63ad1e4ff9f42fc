#include "supervisor/service/children.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libhandoff/sys/process.h"
#include "supervisor/core/children.h"
#include "supervisor/processes/adoption.h"

namespace handoff::supervisor {

using nlohmann::json;

Children::Children(const ServiceHost& host, const std::string& service, ProcessTable& processes,
                   std::function<void(Event)> happened)
    : host_(host), service_(service), processes_(processes), happened_(std::move(happened)) {}

void Children::left_by(const Process& process) {
  if (process.never_ran || process.started == 0) return host_.cgroups->remove(process.cgroup);
  gone_[process.generation] = {.generation = process.generation,
                               .pid = process.pid,
                               .started = process.started,
                               .seen = process.seen,
                               .cgroup = process.cgroup};
  // Most leave nothing. A list that has begun may lack what this one has left.
  host_.list->list_soon(
      [this, of = gone(), here = std::weak_ptr<bool>(here_)](const std::vector<ProcessSeen>& all) {
        if (here.expired()) return;
        known_ = !all.empty();
        forget(kin(all), of);
      });
}

void Children::carry_out(const LookForChildren& look_for) {
  look([this, generation = look_for.generation](const Kin& kin) {
    const auto left = kin.find(generation);
    if (left == kin.end() || lives(generation)) return;
    happened_(ChildrenSeen{generation, left->second.size(), names_of(left->second)});
  });
}

void Children::carry_out(const EndChildren& end) {
  if (end.grace == Duration{}) {
    for (Task& task : tasks_) task.grace = Duration{};
    if (ending_) ending_->hurry();
  }
  add({.of = end.generation, .grace = end.grace, .then = [this, end] {
         if (end.generation == 0) happened_(ChildrenEnded{});
       }});
}

void Children::end_before(Generation starts, std::function<void()> then) {
  add({.of = 0, .grace = kChildrenLeave, .then = [this, starts, then] {
         happened_(ChildrenEnded{starts});
         then();
       }});
}

void Children::tell(std::function<void(json)> told) {
  ask_and_look([this, told = std::move(told)](const Kin& kin, bool) {
    constexpr std::size_t kMost = 10;
    json out = json::array();
    for (const auto& [generation, processes] : kin) {
      json some = json::array();
      for (const ProcessSeen& process : processes) {
        if (some.size() == kMost) break;
        some.push_back({{"pid", process.pid}, {"command", process.command}});
      }
      out.push_back({{"generation", generation},
                     {"lives", lives(generation)},
                     {"count", processes.size()},
                     {"processes", std::move(some)}});
    }
    told(std::move(out));
  });
}

void Children::knocked(int pid, const std::vector<ProcessSeen>& all) {
  for (const auto& [generation, processes] : kin(all)) {
    for (const ProcessSeen& process : processes) {
      if (process.pid == pid) happened_(ChildOpened{generation, names_of({process})});
    }
  }
}

// ---- one after the other --------------------------------------------------------------------

void Children::add(Task task) {
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) go_on();
}

void Children::look(std::function<void(const Kin&)> then) {
  host_.list->list([this, here = std::weak_ptr<bool>(here_),
                    then = std::move(then)](const std::vector<ProcessSeen>& all) {
    if (here.expired()) return;
    known_ = !all.empty();
    then(kin(all));
  });
}

void Children::ask_and_look(std::function<void(const Kin&, bool)> then) {
  const int ask = ++asks_;
  asked_[ask] = std::make_unique<Holds>(host_.loop, processes_, [this, ask, then] {
    host_.list->list(
        [this, ask, then, here = std::weak_ptr<bool>(here_)](const std::vector<ProcessSeen>& all) {
          if (here.expired()) return;
          const auto holds = asked_.extract(ask);
          known_ = !all.empty() && holds.mapped()->all().empty();
          then(kin(all, holds.mapped()->all()), holds.mapped()->silent().empty());
        });
  });
}

Children::Kin Children::kin(const std::vector<ProcessSeen>& all, std::vector<Hold> holds) const {
  return kin_of(all, roots(),
                {host_.report_path, service_, ::getpid(), std::move(holds), processes_.keepers()});
}

// What is of one generation alone is held by no other.
void Children::go_on() {
  const Task& task = tasks_.front();
  looked_for_ = gone();
  if (task.of != 0) return look([this](const Kin& kin) { found(kin, true); });
  ask_and_look([this](const Kin& kin, bool all_said) { found(kin, all_said); });
}

// What ends may have started others meanwhile, so it is looked again until nothing is left.
void Children::found(const Kin& kin, bool all_said) {
  const Task& task = tasks_.front();
  if (!all_said) {
    spdlog::warn(
        "{}: a process of it does not say what its sessions need: what others have left stays",
        service_);
    return over(kin);
  }
  std::vector<ProcessSeen> left;
  for (const auto& [generation, processes] : kin) {
    const bool meant = task.of == 0 ? !lives(generation) : generation == task.of;
    if (meant) left.insert(left.end(), processes.begin(), processes.end());
  }
  if (!left.empty() && !ending_) {
    ending_ = std::make_unique<Ending>(host_.loop, service_, task.grace, [this] { go_on(); });
  }
  if (left.empty() || !ending_->end(left)) over(kin);
}

void Children::over(const Kin& kin) {
  ending_.reset();
  forget(kin, looked_for_);
  const Task done = std::move(tasks_.front());
  tasks_.pop_front();
  if (!tasks_.empty()) go_on();
  if (done.then) done.then();
}

void Children::forget(const Kin& kin, const std::vector<Generation>& of) {
  if (!known_) return;
  bool changed = false;
  for (const Generation generation : of) {
    const auto one = gone_.find(generation);
    if (one == gone_.end() || kin.contains(generation)) continue;
    if (processes_.has_vault(generation)) continue;  // its keeper is in that cgroup
    host_.cgroups->remove(one->second.cgroup);
    gone_.erase(one);
    changed = true;
  }
  if (changed) host_.changed();
}

std::vector<Generation> Children::gone() const {
  std::vector<Generation> out;
  out.reserve(gone_.size());
  for (const auto& [generation, root] : gone_) out.push_back(generation);
  return out;
}

// ---- whose processes ------------------------------------------------------------------------

bool Children::lives(Generation generation) const {
  const Process* process = processes_.find(generation);
  return process != nullptr && !handoff::io::has_exited(process->pidfd.get());
}

std::vector<Root> Children::roots() const {
  std::vector<Root> out;
  out.reserve(gone_.size() + processes_.all().size());
  for (const auto& [generation, root] : gone_) out.push_back(root);
  for (const auto& [generation, process] : processes_.all()) {
    if (process->started == 0) continue;
    out.push_back({generation, process->pid, process->started, lives(generation),
                   last_seen(*process), process->cgroup});
  }
  return out;
}

void Children::save(std::vector<SavedLeft>& out) const {
  for (const auto& [generation, root] : gone_) {
    out.push_back({generation, root.pid, root.started, root.seen, root.cgroup});
  }
}

void Children::restore(const SavedService& saved) {
  const auto add_gone = [this](Generation generation, int pid, std::uint64_t started,
                               std::uint64_t seen, const std::string& cgroup) {
    if (started == 0 || processes_.find(generation) != nullptr) return;
    gone_[generation] = {.generation = generation,
                         .pid = pid,
                         .started = started,
                         .lives = false,
                         .seen = seen,
                         .cgroup = cgroup};
  };
  for (const SavedLeft& left : saved.left) {
    add_gone(left.generation, left.pid, left.started, left.seen, left.cgroup);
  }
  for (const SavedProcess& process : saved.processes) {
    add_gone(process.generation, process.pid, process.started, process.seen, process.cgroup);
  }
}

}  // namespace handoff::supervisor
