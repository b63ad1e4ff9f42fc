// The requests that a service has not answered yet: who has asked, and what they and the history
// are told.
//
// A request gets a number when it is made, and the machine passes the number through. So each of
// its answers reaches the client that asked, and the history names that client, also if others have
// asked for something since. The last answer ends the request.
//
// The state and the history are written side by side, and a supervisor can die between the two. So
// the state has each record until the history has it, or has given it up: the next supervisor
// writes what is missing.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "supervisor/core/effects.h"
#include "supervisor/operators/control_server.h"
#include "supervisor/operators/messages.h"
#include "supervisor/service/service_host.h"

namespace handoff::supervisor {

// On whose behalf something is done.
struct Asker {
  ClientPtr client;  // waits for the answer, and may be gone
  Who who;
  std::string command;      // upgrade, plan, restart, rollback, commit; "" if nobody knows
  bool by_itself = false;   // nobody has asked: the release that runs has to prove itself
  bool by_start = false;    // nobody has asked: the supervisor began
  bool by_service = false;  // nobody has asked: the service has done it
};

class Telling {
 public:
  // host outlives this object.
  Telling(const ServiceHost& host, std::string service);

  RequestId asked(const ClientPtr& client, std::string command);
  // What the supervisor before this one was asked for.
  RequestId resumed(bool by_itself);
  // The asker of a request that was not answered yet. For any other number it is the service
  // itself.
  Asker asker(RequestId request) const;

  void send(RequestId request, const nlohmann::json& event) const;
  // The last that is said of it.
  void finish(RequestId request, const nlohmann::json& answer);

  // In the history: what happened, and on whose behalf.
  void record(const Asker& asker, nlohmann::json what);
  // What record() was given and the history has not got yet, the oldest first. A disk may hang, or
  // be full: no more than kMaxUnrecorded, the newest.
  std::vector<nlohmann::json> unrecorded() const;
  static constexpr std::size_t kMaxUnrecorded = 100;
  // What the supervisor before this one had unrecorded.
  void record_again(nlohmann::json what);
  // In the history: a request, as it is begun. Nobody waits for the record.
  void record_request(RequestId request, const std::string& path);
  // As above, under history = "required", before it is carried out: nothing is begun that could not
  // be told afterwards; the error says so.
  void require_record(RequestId request, const std::string& path, ServiceHost::Done done) const;
  // In the history: that it is to stop, and stay so. Nobody waits for the record: a full disk keeps
  // nothing running.
  void record_stop(const ClientPtr& client, const Party& from);
  // In the history: what a plan has found, or why there is none. done: an upgrade could be told, as
  // far as it has to be.
  void record_plan(RequestId request, nlohmann::json what, ServiceHost::Done done);
  // In the history, and for `status`: how a handoff ended.
  void remember(const Asker& asker, nlohmann::json answer);

  const nlohmann::json& last_upgrade() const { return last_upgrade_; }
  void set_last_upgrade(nlohmann::json last) { last_upgrade_ = std::move(last); }

  // A client that waits for the end of the service.
  void waits_for_stop(const ClientPtr& client) { stop_waiters_.push_back(client); }
  void stopped();

 private:
  nlohmann::json request_json(RequestId request, const std::string& path) const;
  ServiceHost::Done while_here(ServiceHost::Done done) const;

  const ServiceHost& host_;
  std::string service_;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for what is called back later
  RequestId last_ = 0;
  std::map<RequestId, Asker> open_;
  std::vector<ClientPtr> stop_waiters_;
  std::uint64_t records_ = 0;
  std::map<std::uint64_t, nlohmann::json> unrecorded_;
  nlohmann::json last_upgrade_ = nullptr;
};

}  // namespace handoff::supervisor
