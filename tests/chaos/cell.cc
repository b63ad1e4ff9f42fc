#include "cell.h"

#include <charconv>
#include <span>

namespace chaos {
namespace {

template <class T>
std::optional<T> find(std::span<const T> all, std::string_view text) {
  for (const T one : all) {
    if (name(one) == text) return one;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Service service) {
  static constexpr std::string_view kNames[] = {"echo", "kv", "echo-tls"};
  return kNames[static_cast<std::size_t>(service)];
}

std::string_view name(Victim victim) {
  static constexpr std::string_view kNames[] = {"donor", "heir", "supervisor", "donor+supervisor",
                                                "heir+supervisor"};
  return kNames[static_cast<std::size_t>(victim)];
}

std::string_view name(Blow blow) {
  static constexpr std::string_view kNames[] = {"kill", "stop", "slow"};
  return kNames[static_cast<std::size_t>(blow)];
}

std::optional<Service> parse_service(std::string_view text) {
  return find<Service>(kServices, text);
}
std::optional<Victim> parse_victim(std::string_view text) { return find<Victim>(kVictims, text); }
std::optional<Blow> parse_blow(std::string_view text) { return find<Blow>(kBlows, text); }

std::string name(const Cell& cell) {
  std::string out(name(cell.service));
  for (const std::string_view part :
       {name(cell.victim), std::string_view(cell.point), name(cell.blow)}) {
    out += '/';
    out += part;
  }
  return out;
}

std::optional<std::chrono::microseconds> Cell::moment() const {
  long us = 0;
  const char* end = point.data() + point.size();
  if (point.size() < 4 || point[0] != '@') return std::nullopt;
  const auto [stop, error] = std::from_chars(point.data() + 1, end, us);
  if (error != std::errc() || std::string_view(stop, static_cast<std::size_t>(end - stop)) != "us")
    return std::nullopt;
  return std::chrono::microseconds(us);
}

std::optional<Cell> parse_cell(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t slash = text.find('/');
    parts.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) break;
    text.remove_prefix(slash + 1);
  }
  if (parts.size() != 4) return std::nullopt;
  const auto service = parse_service(parts[0]);
  const auto victim = parse_victim(parts[1]);
  const auto blow = parse_blow(parts[3]);
  if (!service || !victim || !blow || parts[2].empty()) return std::nullopt;
  return Cell{*service, *victim, std::string(parts[2]), *blow};
}

}  // namespace chaos
