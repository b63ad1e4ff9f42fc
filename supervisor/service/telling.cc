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
  const auto asking = client.lock();
  open_[++last_] = {
      .client = client, .uid = asking ? asking->uid() : -1, .command = std::move(command)};
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

void Telling::record(const Asker& asker, json what) const {
  what["service"] = service_;
  what["uid"] = asker.by_itself || asker.by_start ? json() : json(asker.uid);
  what["by"] = asker.by_itself ? "probation" : asker.by_start ? "start" : "operator";
  if (!asker.command.empty()) what["command"] = asker.command;
  host_.record(std::move(what), [service = service_](const Result<void>& recorded) {
    if (!recorded) spdlog::error("{}: {}", service, recorded.error().message);
  });
}

void Telling::record_request(RequestId request, const std::string& path,
                             ServiceHost::Done done) const {
  const Asker who = asker(request);
  host_.record({{"event", "requested"},
                {"service", service_},
                {"command", who.command},
                {"uid", who.uid},
                {"path", path}},
               while_here(std::move(done)));
}

void Telling::record_stop(const ClientPtr& client, const Party& from) const {
  const auto asking = client.lock();
  record({.uid = asking ? asking->uid() : -1}, {{"event", "stop"}, {"from", party_json(from)}});
}

void Telling::record_plan(RequestId request, json what, ServiceHost::Done done) const {
  what["uid"] = asker(request).uid;
  host_.record(std::move(what),
               while_here([this, done = std::move(done)](const Result<void>& recorded) {
                 if (!recorded) spdlog::error("{}: {}", service_, recorded.error().message);
                 done(recorded);
               }));
}

void Telling::remember(const Asker& asker, json answer) {
  last_upgrade_ = answer;
  last_upgrade_.erase("event");
  last_upgrade_.erase("service");
  last_upgrade_["at"] = utc(std::chrono::system_clock::now());
  answer["event"] = "upgrade";
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
