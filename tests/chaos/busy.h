// A service whose clients are busy, under its supervisor: for runs of many events in a row. Each
// wait keeps the clients going.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "supervision.h"
#include "traffic.h"

namespace chaos {

class Busy {
 public:
  explicit Busy(Service service) : service_(service), supervision_(service) {}

  // Of a supervision that has been started: returns when the service runs, and its clients are as
  // they are to be found.
  void connect(std::size_t sessions, bool full);
  // All of them ask, and gaps count from here. Visitors come and go from now on, or there are none.
  enum class Visitors { kNone, kCome };
  void wake(Visitors visitors);
  // Pumps until condition() holds; throws std::runtime_error with what, if that takes a minute.
  void require(const std::function<bool()>& condition, const char* what);
  // Each resident that lives has had an answer to something that it asked after the call.
  void hear_from_all();
  void pump_for(std::chrono::microseconds time);
  void turn();
  // The object that `handoff status --json` has of the service; an empty one: nobody answers.
  nlohmann::json status();
  // The clients finish, and the supervisor ends well.
  void end();

  Supervision& supervision() { return supervision_; }
  Tally tally() const { return traffic_->tally(); }

 private:
  const Service service_;
  Supervision supervision_;
  std::optional<Traffic> traffic_;
};

}  // namespace chaos
