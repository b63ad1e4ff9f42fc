#include "libhandoff/copy/rehearsal.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

bool Rehearsal::refuse_session(std::uint64_t id, std::string what, std::string peer,
                               const Error& error) {
  if (is_shortage(error.code)) return false;
  ++notes.refused;
  if (peer.size() > protocol::kMaxPeer) peer.resize(protocol::kMaxPeer);
  if (notes.refused <= kExamples) {
    notes.findings.push_back({id, std::move(what), error.message, std::move(peer)});
  }
  return true;
}

bool Rehearsal::refuse_part(std::string what, const Error& error) {
  if (is_shortage(error.code)) return false;
  if (notes.findings.size() < protocol::kMaxFindings) {
    notes.findings.push_back({0, std::move(what), error.message});
  }
  return true;
}

bool Rehearsal::refused_part(const std::string& what) const {
  return std::any_of(notes.findings.begin(), notes.findings.end(),
                     [&](const protocol::Finding& finding) { return finding.what == what; });
}

bool Rehearsal::refused_any_part() const {
  return std::any_of(notes.findings.begin(), notes.findings.end(),
                     [](const protocol::Finding& finding) { return finding.session == 0; });
}

void Rehearsal::add(const protocol::Rehearsed& other) {
  notes.sessions += other.sessions;
  notes.passed += other.passed;
  notes.refused += other.refused;
  notes.busy += other.busy;
  notes.untried += other.untried;
  for (const core::Staying& one : other.staying) core::add(notes.staying, one);
  notes.too_large += other.too_large;
  notes.spent_ns += other.spent_ns;
  // Lanes restore side by side: the slowest counts.
  notes.typical_ns = std::max(notes.typical_ns, other.typical_ns);
  const auto of_a_session = [](const protocol::Finding& finding) { return finding.session != 0; };
  auto examples = std::count_if(notes.findings.begin(), notes.findings.end(), of_a_session);
  for (const protocol::Finding& finding : other.findings) {
    if (of_a_session(finding) && ++examples > static_cast<std::ptrdiff_t>(kExamples)) continue;
    if (notes.findings.size() < protocol::kMaxFindings) notes.findings.push_back(finding);
  }
  // Of the same kinds in the same order, since both sides agree on them.
  if (notes.amounts.empty()) {
    notes.amounts = other.amounts;
    return;
  }
  for (std::size_t i = 0; i < std::min(notes.amounts.size(), other.amounts.size()); ++i) {
    if (notes.amounts[i].region) continue;  // there is one of it for all lanes
    notes.amounts[i].count += other.amounts[i].count;
    notes.amounts[i].bytes += other.amounts[i].bytes;
  }
}

void Rehearsal::try_missing(const Registry& registry) {
  for (const auto& [name, named] : registry.named) {
    if (named.fd.valid() || named.kept.valid() || named.address.empty() || named.offered) continue;
    const auto address = core::parse_address(named.address);
    if (!address) continue;
    if (const auto ok = can_bind(*address); !ok) {
      (void)refuse_part("listener '" + name + "'", {-EADDRINUSE, ok.error().message});
    }
  }
}

void Rehearsal::weigh(bool exactly) {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  if (statm >> pages >> pages) {
    notes.rss = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  if (!exactly) return;
  std::ifstream rollup("/proc/self/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    std::istringstream fields(line);
    std::string key;
    std::uint64_t kib = 0;
    if (fields >> key >> kib && key == "Pss:") notes.pss = kib * 1024;
  }
}

}  // namespace handoff::io
