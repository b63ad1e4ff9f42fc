#include "surroundings.h"

#include <fnmatch.h>

#include <algorithm>
#include <iterator>

namespace chaos {
namespace {

constexpr std::string_view kWhats[] = {
    "stalled-log",  "state-disk-full", "runtime-disk-full",  "state-lost", "state-broken",
    "binary-moved", "binary-replaced", "binary-overwritten", "flood",      "probation",
    "plan",         "stop-in-upgrade", "upgrade-in-stop"};
constexpr std::string_view kHits[] = {"supervisor", "self", "service"};
constexpr std::string_view kHalf = "surroundings";

static_assert(std::size(kWhats) == static_cast<std::size_t>(What::kUpgradeInStop) + 1);
static_assert(std::size(kHits) == static_cast<std::size_t>(Hit::kService) + 1);

template <class T, std::size_t N>
std::vector<T> all(const std::string_view (&)[N]) {
  std::vector<T> out;
  for (std::size_t i = 0; i < N; ++i) out.push_back(static_cast<T>(i));
  return out;
}

}  // namespace

std::string_view name(What what) { return kWhats[static_cast<std::size_t>(what)]; }
std::string_view name(Hit hit) { return kHits[static_cast<std::size_t>(hit)]; }

std::string name(const Siege& siege) {
  std::string out(name(siege.service));
  for (const std::string_view part : {kHalf, name(siege.what), name(siege.hit)}) {
    out += '/';
    out += part;
  }
  return out;
}

std::optional<Siege> parse_siege(std::string_view text) {
  const std::vector<Siege> known = sieges({});
  const auto found =
      std::ranges::find_if(known, [&](const Siege& siege) { return name(siege) == text; });
  return found == known.end() ? std::nullopt : std::optional(*found);
}

std::optional<Hit> parse_hit(std::string_view text) {
  for (const Hit hit : all<Hit>(kHits)) {
    if (name(hit) == text) return hit;
  }
  return std::nullopt;
}

std::vector<Siege> sieges(const SiegeSelection& selection) {
  std::vector<Siege> out;
  for (const What what : all<What>(kWhats)) {
    if (::fnmatch(selection.what.c_str(), name(what).data(), FNM_EXTMATCH) != 0) continue;
    for (const Service service : kServices) {
      for (const Hit hit : all<Hit>(kHits)) {
        if (selection.service.value_or(service) != service) continue;
        if (selection.hit.value_or(hit) != hit) continue;
        if (selection.core && (hit != Hit::kSupervisor || service != Service::kEcho)) continue;
        out.push_back({service, what, hit});
      }
    }
  }
  return out;
}

}  // namespace chaos
