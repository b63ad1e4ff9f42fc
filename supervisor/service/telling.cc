#include "supervisor/service/telling.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "supervisor/host/wall_clock.h"

namespace handoff::supervisor {

using nlohmann::json;

Telling::Telling(const ServiceHost& host, std::string service)
    : host_(host), service_(std::move(service)) {}

RequestId Telling::asked(const ClientPtr& client, std::string command) {
  open_[++last_] = {.client = client, .who = who_of(client), .command = std::move(command)};
  return last_;
}

RequestId Telling::resumed(bool by_itself) {
  open_[++last_] = {.by_itself = by_itself};
  return last_;
}

Asker Telling::asker(RequestId request) const {
  const auto found = open_.find(request);
  if (found != open_.end()) return found->second;
  return {.command = "rollback", .by_itself = true};
}

void Telling::send(RequestId request, const json& event) const {
  const auto found = open_.find(request);
  if (found == open_.end()) return;
  if (const auto client = found->second.client.lock()) client->send(event);
}

void Telling::finish(RequestId request, const json& answer) {
  const auto found = open_.extract(request);
  if (!found) return;
  // What it tells of is in the state file first: a supervisor that dies now has not promised it.
  host_.save([client = found.mapped().client, answer](const Result<void>&) {
    if (const auto reachable = client.lock()) reachable->finish(answer);
  });
}

// This object may be gone when it is called back.
ServiceHost::Done Telling::while_here(ServiceHost::Done done) const {
  return [here = std::weak_ptr<bool>(here_), done = std::move(done)](const Result<void>& result) {
    if (!here.expired()) done(result);
  };
}

void Telling::record(const Asker& asker, json what) {
  what["service"] = service_;
  const bool nobody = asker.by_itself || asker.by_start || asker.by_service;
  put_who(what, nobody ? Who{} : asker.who);
  what["by"] = asker.by_itself    ? "probation"
               : asker.by_start   ? "start"
               : asker.by_service ? "service"
                                  : "operator";
  if (!asker.command.empty()) what["command"] = asker.command;
  what["at"] = utc(std::chrono::system_clock::now());
  record_again(std::move(what));
}

void Telling::record_again(json what) {
  const std::uint64_t number = ++records_;
  unrecorded_.emplace(number, what);
  if (unrecorded_.size() > kMaxUnrecorded) unrecorded_.erase(unrecorded_.begin());
  const auto no_more = while_here([this, number](const Result<void>&) {
    unrecorded_.erase(number);
    host_.changed();
  });
  host_.record(std::move(what), no_more);
}

std::vector<json> Telling::unrecorded() const {
  std::vector<json> out;
  out.reserve(unrecorded_.size());
  for (const auto& [number, what] : unrecorded_) out.push_back(what);
  return out;
}

json Telling::request_json(RequestId request, const std::string& path) const {
  const Asker asking = asker(request);
  json out{{"event", "requested"},
           {"service", service_},
           {"command", asking.command},
           {"path", path},
           {"at", utc(std::chrono::system_clock::now())}};
  put_who(out, asking.who);
  return out;
}

void Telling::record_request(RequestId request, const std::string& path) {
  record_again(request_json(request, path));
}

void Telling::require_record(RequestId request, const std::string& path,
                             ServiceHost::Done done) const {
  host_.try_record(request_json(request, path), while_here(std::move(done)));
}

void Telling::record_stop(const ClientPtr& client, const Party& from) {
  record({.who = who_of(client)}, {{"event", "stop"}, {"from", party_json(from)}});
}

void Telling::record_plan(RequestId request, json what, ServiceHost::Done done) {
  put_who(what, asker(request).who);
  what["at"] = utc(std::chrono::system_clock::now());
  if (!host_.history_required()) {
    record_again(std::move(what));
    return done({});
  }
  host_.try_record(what, while_here([this, what, done = std::move(done)](const auto& recorded) {
                     if (!recorded) record_again(what);  // once there is room
                     done(recorded);
                   }));
}

void Telling::remember(const Asker& asker, json answer) {
  last_upgrade_ = answer;
  last_upgrade_.erase("event");
  last_upgrade_.erase("service");
  last_upgrade_["at"] = utc(std::chrono::system_clock::now());
  // A service that was stopped is started by `handoff restart`: nothing is handed over.
  const bool started = asker.command == "restart" && answer.value("fresh", false);
  answer["event"] = started ? "start" : "upgrade";
  record(asker, std::move(answer));
}

void Telling::stopped() {
  if (stop_waiters_.empty()) return;
  // As above: a supervisor that dies now has not promised that the service stays stopped.
  host_.save([waiters = std::exchange(stop_waiters_, {}), service = service_](const Result<void>&) {
    for (const ClientPtr& waiter : waiters) {
      if (const auto client = waiter.lock()) {
        client->finish({{"event", "done"}, {"result", "done"}, {"service", service}});
      }
    }
  });
}

}  // namespace handoff::supervisor
