// One experiment: which process is struck, how, at which point of an upgrade of which service. The
// cell's name repeats it: echo/heir/donor.release.sent/kill.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chaos {

enum class Service { kEcho, kKv, kEchoTls };
enum class Victim { kDonor, kHeir, kSupervisor, kDonorAndSupervisor, kHeirAndSupervisor };
enum class Blow {
  kKill,  // SIGKILL
  kStop,  // SIGSTOP for longer than every timer
  kSlow,  // SIGSTOP for a moment
};

inline constexpr Service kServices[] = {Service::kEcho, Service::kKv, Service::kEchoTls};
inline constexpr Victim kVictims[] = {Victim::kDonor, Victim::kHeir, Victim::kSupervisor,
                                      Victim::kDonorAndSupervisor, Victim::kHeirAndSupervisor};
inline constexpr Blow kBlows[] = {Blow::kKill, Blow::kStop, Blow::kSlow};

constexpr bool speaks_tls(Service service) { return service == Service::kEchoTls; }
// What the service is under its supervisor, and in the names of its programs.
constexpr std::string_view example(Service service) {
  return service == Service::kKv ? "kv" : "echo";
}

constexpr bool has_donor(Victim v) {
  return v == Victim::kDonor || v == Victim::kDonorAndSupervisor;
}
constexpr bool has_heir(Victim v) { return v == Victim::kHeir || v == Victim::kHeirAndSupervisor; }
constexpr bool has_supervisor(Victim v) { return v != Victim::kDonor && v != Victim::kHeir; }

std::string_view name(Service service);  // "echo", "kv", "echo-tls"
std::string_view name(Victim victim);
std::string_view name(Blow blow);

struct Cell {
  Service service = Service::kEcho;
  Victim victim = Victim::kDonor;
  std::string point;  // a failpoint; or "@12345us": that long after the upgrade began
  Blow blow = Blow::kKill;

  // How long after the upgrade began; nothing for a failpoint.
  std::optional<std::chrono::microseconds> moment() const;
  friend bool operator==(const Cell&, const Cell&) = default;
};

std::string name(const Cell& cell);
std::optional<Cell> parse_cell(std::string_view text);
std::optional<Service> parse_service(std::string_view text);
std::optional<Victim> parse_victim(std::string_view text);
std::optional<Blow> parse_blow(std::string_view text);

}  // namespace chaos
