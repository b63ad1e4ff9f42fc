#include "supervisor/core/vaults.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {
namespace {

// What a program does to itself. SIGKILL comes from outside, and so may any other.
bool crashed(const Exit& exit) {
  if (!exit.signalled) return false;
  switch (exit.number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Vaults::restore(const Saved& saved) {
  sources_ = {saved.sources.begin(), saved.sources.end()};
  tries_ = {saved.tries.begin(), saved.tries.end()};
  crashes_ = saved.crashes;
}

Vaults::Saved Vaults::saved() const {
  return {.sources = {sources_.begin(), sources_.end()},
          .tries = {tries_.begin(), tries_.end()},
          .crashes = crashes_};
}

bool Vaults::left(Generation generation, const VaultLeft& vault, const Exit& exit) {
  if (!vault.owned) return false;
  sources_.insert(generation);
  blamed_ = !vault.reading.empty() && crashed(exit);
  if (!blamed_) return true;
  for (const std::uint64_t session : vault.reading) ++crashes_[session];
  const auto is_new = [&vault](const auto& one) {
    return std::ranges::find(vault.reading, one.first) != vault.reading.end();
  };
  while (crashes_.size() > kMostSuspects)
    crashes_.erase(std::ranges::find_if_not(crashes_, is_new));
  return true;
}

std::string Vaults::refusal(const Policy& policy, Time now) const {
  if (sources_.empty()) return "there is no vault";
  std::size_t all = 0;
  std::size_t of_its_own = 0;
  for (const Try& one : tries_) {
    if (one.at <= now - policy.max_recoveries.per) continue;
    ++all;
    of_its_own += one.blamed ? 0 : 1;
  }
  const auto most = static_cast<std::size_t>(policy.max_recoveries.most);
  if (all < kMostTries && (blamed_ || of_its_own < most)) return "";
  const bool whoever = all >= kMostTries;
  const std::size_t times = whoever ? all : of_its_own;
  return "recoveries were begun " + std::to_string(times) + (times == 1 ? " time" : " times") +
         " within " + format_duration(policy.max_recoveries.per) +
         (whoever ? ", whoever was to blame" : " (vault_max_recoveries)");
}

// A process that ended while it recovered is no session's fault.
void Vaults::begun(const Policy& policy, Time now) {
  while (!tries_.empty() && tries_.front().at <= now - policy.max_recoveries.per)
    tries_.pop_front();
  tries_.push_back({now, std::exchange(blamed_, false)});
}

std::vector<std::uint64_t> Vaults::quarantined(const Policy& policy) const {
  std::vector<std::uint64_t> out;
  for (const auto& [session, times] : crashes_) {
    if (times >= policy.max_crashes) out.push_back(session);
  }
  return out;
}

void Vaults::recovered(const Policy& policy) {
  std::erase_if(crashes_, [&policy](const auto& one) { return one.second >= policy.max_crashes; });
}

std::vector<Generation> Vaults::take_all() {
  const std::set<Generation> all = std::exchange(sources_, {});
  blamed_ = false;
  return {all.begin(), all.end()};
}

}  // namespace handoff::supervisor
