#include "supervisor/core/kin.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace handoff::supervisor {
namespace {

class Kin {
 public:
  Kin(const std::vector<ProcessSeen>& all, const std::vector<Root>& roots, const Whose& whose)
      : all_(all), whose_(whose) {
    for (const ProcessSeen& process : all) by_pid_.emplace(process.pid, &process);
    for (const Root& root : roots) roots_.insert_or_assign(root.generation, root);
    // Of a process that nobody has told of, the children are those of one that lives.
    for (const ProcessSeen& process : all) {
      if (!process.main || !is_ours(process) || process.ended) continue;
      roots_.try_emplace(process.generation, Root{process.generation, process.pid, process.started,
                                                  true, process.started});
    }
    for (int pid = whose.supervisor; pid > 0 && spared_.insert(pid).second;) pid = parent_of(pid);
    spared_.insert(whose.keepers.begin(), whose.keepers.end());
  }

  std::map<Generation, std::vector<ProcessSeen>> all() {
    std::map<int, Generation> found;
    for (const ProcessSeen& process : all_) {
      if (!may_be(process)) continue;
      if (const auto generation = by_itself(process)) found.emplace(process.pid, *generation);
    }
    // A parent may have a higher number than its child.
    for (bool more = true; std::exchange(more, false);) {
      for (const ProcessSeen& process : all_) {
        if (!may_be(process) || found.contains(process.pid)) continue;
        const auto generation = by_parent(process, found);
        if (!generation) continue;
        found.emplace(process.pid, *generation);
        more = true;
      }
    }
    take_what_is_held(found);
    std::map<Generation, std::vector<ProcessSeen>> out;
    for (const ProcessSeen& process : all_) {
      const auto member = found.find(process.pid);
      if (member != found.end()) out[member->second].push_back(process);
    }
    return out;
  }

 private:
  bool is_ours(const ProcessSeen& process) const {
    return process.home == whose_.home && process.service == whose_.service;
  }
  int parent_of(int pid) const {
    const auto found = by_pid_.find(pid);
    return found == by_pid_.end() ? 0 : found->second->parent;
  }
  bool is_root(const ProcessSeen& process) const {
    return std::any_of(roots_.begin(), roots_.end(), [&](const auto& one) {
      return one.second.pid == process.pid && one.second.started == process.started;
    });
  }
  bool may_be(const ProcessSeen& process) const {
    const bool of_others = !process.home.empty() && !is_ours(process);
    return !process.ended && !process.main && !of_others && !spared_.contains(process.pid) &&
           !is_root(process);
  }
  bool descends(const ProcessSeen& process) const {
    std::set<int> seen;
    for (int pid = process.parent; pid > 0 && seen.insert(pid).second; pid = parent_of(pid)) {
      if (pid == whose_.supervisor) return true;
    }
    return false;
  }

  std::optional<Generation> by_cgroup(const ProcessSeen& process) const {
    for (const auto& [generation, root] : roots_) {
      if (root.cgroup.empty()) continue;
      if (process.cgroup == root.cgroup || process.cgroup.starts_with(root.cgroup + "/")) {
        return generation;
      }
    }
    return std::nullopt;
  }

  std::optional<Generation> by_itself(const ProcessSeen& process) const {
    if (const auto generation = by_cgroup(process)) return generation;
    if (is_ours(process)) {
      const auto root = roots_.find(process.generation);
      if (root == roots_.end()) return process.generation;
      // Numbers begin anew where a state was lost.
      return process.started >= root->second.started ? process.generation : 0;
    }
    for (const auto& [generation, root] : roots_) {
      if (process.session != root.pid || process.started < root.started) continue;
      // The number of a leader that has gone is free once its session is.
      const auto leader = by_pid_.find(root.pid);
      const bool there = leader != by_pid_.end();
      if (there && leader->second->started != root.started) continue;
      if (there || process.started <= root.seen || descends(process)) return generation;
    }
    return std::nullopt;
  }

  std::optional<Generation> by_parent(const ProcessSeen& process,
                                      const std::map<int, Generation>& found) const {
    if (const auto parent = found.find(process.parent); parent != found.end()) {
      return parent->second;
    }
    for (const auto& [generation, root] : roots_) {
      if (root.lives && process.parent == root.pid && process.started >= root.started) {
        return generation;
      }
    }
    return std::nullopt;
  }

  bool lives(Generation generation) const {
    const auto root = roots_.find(generation);
    return root != roots_.end() && root->second.lives;
  }
  const Hold* hold_of(const ProcessSeen& process) const {
    for (const Hold& hold : whose_.holds) {
      if (hold.pid == process.pid && hold.started == process.started) return &hold;
    }
    return nullptr;
  }
  // With all that is below it. A service has a say in what is its own already, and in nothing else.
  void take_what_is_held(std::map<int, Generation>& found) const {
    std::map<int, Generation> taken;
    for (auto& [pid, generation] : found) {
      if (lives(generation)) continue;
      std::set<int> seen;
      for (int at = pid; found.contains(at) && seen.insert(at).second; at = parent_of(at)) {
        const Hold* hold = hold_of(*by_pid_.at(at));
        if (hold == nullptr || !lives(hold->generation)) continue;
        taken[pid] = hold->generation;
        break;
      }
    }
    for (const auto& [pid, generation] : taken) found[pid] = generation;
  }

  const std::vector<ProcessSeen>& all_;
  const Whose& whose_;
  std::map<int, const ProcessSeen*> by_pid_;
  std::map<Generation, Root> roots_;
  std::set<int> spared_;  // the supervisor, whoever has started it, and keepers
};

}  // namespace

std::map<Generation, std::vector<ProcessSeen>> kin_of(const std::vector<ProcessSeen>& all,
                                                      const std::vector<Root>& roots,
                                                      const Whose& whose) {
  return Kin(all, roots, whose).all();
}

std::string names_of(const std::vector<ProcessSeen>& processes) {
  constexpr std::size_t kMost = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(kMost, processes.size()); ++i) {
    out += (i == 0 ? "" : ", ") + processes[i].command + " (pid " +
           std::to_string(processes[i].pid) + ")";
  }
  if (processes.size() > kMost) out += " and " + std::to_string(processes.size() - kMost) + " more";
  return out;
}

}  // namespace handoff::supervisor
