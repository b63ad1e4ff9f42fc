#include "supervisor/host/saved_vaults.h"

#include <climits>
#include <cstdint>

#include "supervisor/base/json_read.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

json to_json(const Recovery& recovery) {
  return {{"of", recovery.of},
          {"how", recovery.how},
          {"died_ns", recovery.died.time_since_epoch().count()},
          {"sessions", recovery.sessions},
          {"tries", recovery.tries}};
}

Time time_in(const json& in, const char* name) {
  return Time(Duration(need_number<std::int64_t>(in.at(name), 0, INT64_MAX)));
}

Recovery recovery_from(const json& in) {
  return {.of = need_number<Generation>(in.at("of"), 0, UINT64_MAX),
          .how = in.at("how").get<std::string>(),
          .died = time_in(in, "died_ns"),
          .sessions = need_number<std::uint64_t>(in.at("sessions"), 0, UINT64_MAX),
          .tries = need_number<int>(in.at("tries"), 0, INT_MAX)};
}

}  // namespace

json to_json(const SavedListener& listener) {
  return {{"name", listener.name},
          {"address", listener.address},
          {"inode", listener.inode},
          {"device", listener.device},
          {"ends", listener.ends}};
}

SavedListener listener_from(const json& in) {
  return {.name = in.at("name").get<std::string>(),
          .address = in.at("address").get<std::string>(),
          .inode = need_number<std::uint64_t>(in.at("inode"), 0, UINT64_MAX),
          .device = need_number<std::uint64_t>(in.at("device"), 0, UINT64_MAX),
          .ends = in.at("ends").get<bool>()};
}

json to_json(const SavedKeeper& keeper) {
  json out{{"mailbox", keeper.address}, {"pid", keeper.pid}};
  for (const SavedListener& one : keeper.listeners) out["listeners"].push_back(to_json(one));
  return out;
}

SavedKeeper keeper_from(const json& in) {
  SavedKeeper out{.address = in.at("mailbox").get<std::string>(),
                  .pid = need_number<int>(in.at("pid"), 0, INT_MAX)};
  for (const json& one : in.value("listeners", json::array())) {
    out.listeners.push_back(listener_from(one));
  }
  return out;
}

// What the machine knows of vaults: none of it where there never was one.
void add_vaults(json& out, const SavedService& service) {
  const Found& machine = service.machine;
  for (const SavedVault& vault : service.vaults) {
    out["vaults"].push_back({{"generation", vault.generation}, {"keeper", to_json(vault.keeper)}});
  }
  if (machine.recovery) out["recovery"] = to_json(*machine.recovery);
  if (machine.recoveries != 0) out["recoveries"] = machine.recoveries;
  for (const Vaults::Try& one : machine.vaults.tries) {
    out["tries"].push_back({{"at_ns", one.at.time_since_epoch().count()}, {"blamed", one.blamed}});
  }
  for (const auto& [session, times] : machine.vaults.crashes) {
    out["crashes"].push_back({{"session", session}, {"times", times}});
  }
}

void read_vaults(const json& in, SavedService& out) {
  for (const json& vault : in.value("vaults", json::array())) {
    out.vaults.push_back({number_in(vault, "generation"), keeper_from(vault.at("keeper"))});
    out.machine.vaults.sources.push_back(out.vaults.back().generation);
  }
  if (const auto found = in.find("recovery"); found != in.end()) {
    out.machine.recovery = recovery_from(*found);
  }
  out.machine.recoveries = number_in(in, "recoveries");
  for (const json& one : in.value("tries", json::array())) {
    out.machine.vaults.tries.push_back({time_in(one, "at_ns"), one.at("blamed").get<bool>()});
  }
  for (const json& one : in.value("crashes", json::array())) {
    out.machine.vaults.crashes[number_in(one, "session")] =
        need_number<int>(one.at("times"), 0, INT_MAX);
  }
}

}  // namespace handoff::supervisor
