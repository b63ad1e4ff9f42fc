#include "supervisor/service/service_status.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "supervisor/host/wall_clock.h"
#include "supervisor/processes/adoption.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// Sessions by generation, but for the owner's.
json late_json(const Service& machine, const ProcessTable& processes) {
  json out = json::array();
  for (const auto& [generation, one] : machine.late().all()) {
    if (one.leaving) continue;
    json late = party_json(processes.party(generation));
    if (late.is_null()) late = {{"generation", generation}};
    late["sessions"] = one.waiting;
    late["moved"] = one.moved;
    late["closed"] = one.closed;
    late["linked"] = one.linked;
    late["unmovable"] = one.unmovable;
    late["staying"] = staying_json(one.staying);
    out.push_back(std::move(late));
  }
  return out;
}

json leaving_json(const Service& machine, const ProcessTable& processes) {
  json out = json::array();
  for (const auto& [generation, one] : machine.late().all()) {
    if (!one.leaving) continue;
    json leaving = party_json(processes.party(generation));
    out.push_back(leaving.is_null() ? json{{"generation", generation}} : std::move(leaving));
  }
  return out;
}

// Also those that the process has bound itself.
json bound_json(const Listeners& listeners, const Process* process) {
  if (process == nullptr) return listeners.json();
  json out = listeners.json(process->named);
  for (json& one : out) {
    const auto name = one["name"].get<std::string>();
    const bool taken = process->named.empty() ||
                       std::any_of(process->named.begin(), process->named.end(),
                                   [&](const NamedFd& named) { return named.name == name; });
    if (!taken) one["kept"] = true;
  }
  for (const NamedFd& named : process->named) {
    if (named.address.empty() || listeners.has(named.name)) continue;
    out.push_back({{"name", named.name}, {"address", named.address}, {"problem", nullptr}});
  }
  return out;
}

std::vector<Elsewhere> elsewhere_of(const json& bound, const ServiceConfig& config) {
  std::vector<BoundListener> is;
  for (const json& one : bound) {
    if (one.contains("also")) continue;  // its move is under way
    is.push_back({one["name"].get<std::string>(), one["address"].get<std::string>()});
  }
  std::vector<SaidListener> said;
  said.reserve(config.listen.size());
  for (const NamedAddress& one : config.listen) said.push_back({one.name, one.address});
  return elsewhere(is, said);
}

json listeners_json(const ServiceConfig& config, const Listeners& listeners,
                    const Process* process) {
  json out = bound_json(listeners, process);
  const std::vector<Elsewhere> all = elsewhere_of(out, config);
  for (json& one : out) {
    const auto found = std::ranges::find(all, one["name"].get<std::string>(), &Elsewhere::name);
    one["configured"] = found == all.end() ? json() : json(found->configured);
  }
  return out;
}

}  // namespace

std::vector<Elsewhere> listeners_elsewhere(const ServiceConfig& config, const Listeners& listeners,
                                           const Process* process) {
  return elsewhere_of(bound_json(listeners, process), config);
}

json standing_json(const Service& machine, const ServiceReleases& releases) {
  const Probation& probation = machine.probation();
  json out{{"standing", probation.provisional() ? "provisional" : "permanent"},
           {"probation_left_ms", nullptr},
           {"back", nullptr}};
  if (const auto until = probation.saved().until) {
    const auto left = std::max(*until - now(), Duration{});
    out["probation_left_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  }
  const Release* back = releases.back();
  if (probation.has_back() && back != nullptr) out["back"] = release_json(*back);
  return out;
}

namespace {

json problem_json(const Service& machine, const Process* process) {
  if (machine.state() == Service::State::kAdopting && process != nullptr) {
    return {{"message", why_away(*process)}, {"next_start", nullptr}, {"next_start_ms", nullptr}};
  }
  if (machine.problem().empty()) return nullptr;
  json out{{"message", machine.problem()}, {"next_start", nullptr}, {"next_start_ms", nullptr}};
  if (const auto next = machine.next_start()) {
    using std::chrono::milliseconds;
    const auto left = std::chrono::ceil<milliseconds>(std::max(*next - now(), Duration{}));
    out["next_start"] = utc(std::chrono::system_clock::now() + left);
    out["next_start_ms"] = left.count();
  }
  return out;
}

// Configuration and program both have to ask.
std::string no_vault(const ServiceConfig& config, const Process& process) {
  const Vault& vault = process.vault;
  if (vault.kept()) return "";
  if (!config.vault) return "its configuration does not say vault = true";
  if (!vault.refused.empty()) return vault.refused;
  if (!vault.given()) return "it was started before its configuration said vault = true";
  return vault.asked ? "it has no keeper"
                     : "its program does not ask for one (handoff_options.vault)";
}

json vault_json(const ServiceConfig& config, const Service& machine, const Process* process) {
  const bool there = process != nullptr && process->vault.kept();
  json out{{"wanted", config.vault},
           {"held", there},
           {"keeper_pid", nullptr},
           {"why", nullptr},
           {"recoveries", machine.recoveries()}};
  if (there) out["keeper_pid"] = process->vault.keeper;
  const bool runs = process != nullptr && machine.state() == Service::State::kRunning;
  if (!there && runs && (config.vault || process->vault.asked)) {
    out["why"] = no_vault(config, *process);
  }
  return out;
}

}  // namespace

json status_json(const ServiceConfig& config, const Service& machine,
                 const ServiceReleases& releases, const ProcessTable& processes,
                 const Listeners& listeners) {
  const Process* process = processes.owner();
  const bool runs = process != nullptr && process->reads == 0;
  const Release& release = runs ? *process->release : releases.running();
  const Progressive& progressive = machine.progressive();
  json out{{"name", config.name},
           {"state", machine.state_name()},
           {"release", nullptr},
           {"digest", nullptr},
           {"generation", nullptr},
           {"pid", nullptr},
           {"sessions", nullptr},
           {"listeners", listeners_json(config, listeners, process)},
           {"path", release.path},
           {"source", release.source},
           {"verified", nullptr},
           {"signed_version", nullptr},
           {"args", release.args},
           {"since", nullptr},
           {"restarts", machine.restarts()},
           {"problem", problem_json(machine, process)},
           {"leaving_by_itself", nullptr},
           {"late", late_json(machine, processes)},
           {"leaving", leaving_json(machine, processes)},
           {"vault", vault_json(config, machine, process)},
           {"share", progressive.under_way() ? progressive.share() / 10.0 : 100.0}};
  out.update(standing_json(machine, releases));
  if (const std::string* why = machine.leaving()) out["leaving_by_itself"] = *why;
  if (!release.name.empty()) out["release"] = release.name;
  // What never came up has no standing yet.
  if (release.name.empty() && !machine.probation().provisional()) out["standing"] = nullptr;
  if (!release.digest.empty()) out["digest"] = release.digest;  // else it could not be opened yet
  if (!release.verified.empty()) out["verified"] = release.verified;
  if (!release.signed_version.empty()) out["signed_version"] = release.signed_version;
  if (process != nullptr) {
    out["generation"] = process->generation;
    out["pid"] = process->pid;
    out["since"] = utc(process->since);
  }
  return out;
}

}  // namespace handoff::supervisor
