// The stage of a cell: a supervisor, a service and its clients, and an upgrade as far as the point
// at which the blow falls. A cell waits for anything only here, so that its clients go on and
// processes that come to a point are heard.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "ask_socket.h"
#include "cell.h"
#include "expectation.h"
#include "point.h"
#include "supervision.h"
#include "traffic.h"

namespace chaos {

// Thrown to end a trial: what went wrong.
struct Problem {
  std::string text;
};
struct NotApplicable {
  std::string why;
};

// The time within which anything must happen, on a busy host and under sanitizers.
inline constexpr std::chrono::seconds kPatience{30};

class Stage {
 public:
  explicit Stage(Cell of);

  // Starts the service, and brings so many clients into the state in which the blow finds them.
  void set(std::size_t sessions);
  // Begins the upgrade; the process that comes to the point waits there until let_go().
  void upgrade_to_the_point();
  void let_go();

  // Lets the clients go on until condition is true; false after `limit`.
  template <class Condition>
  bool wait_until(const Condition& condition, std::chrono::milliseconds limit) {
    const auto until = Clock::now() + limit;
    while (!condition()) {
      if (Clock::now() >= until) return false;
      turn();
    }
    return true;
  }
  // As wait_until(), but throws a Problem if the condition never comes true.
  template <class Condition>
  void require(const Condition& condition, const std::string& what) {
    if (!wait_until(condition, kPatience)) throw Problem{what};
  }
  // The service's object; {} if nobody answers any more.
  nlohmann::json status();
  // The service's object once it runs. Throws a Problem if it never does, or the supervisor ends.
  nlohmann::json wait_for_service(const std::string& who, bool may_be_stopped = false);
  bool supervisor_lives() { return supervision.process().running(); }

  const Cell cell;
  const Point* const point;  // nullptr for a moment
  const Expectation expected;
  Supervision supervision;
  std::optional<Traffic> traffic;
  std::unique_ptr<test::Process> upgrade;

  pid_t donor = 0, heir = 0;
  std::size_t quiet = 0;             // clients that say nothing meanwhile
  std::multiset<std::string> files;  // the donor's, before
  bool reached = false;              // the point

 private:
  void turn();
  void handle(Asked asked);
  void provoke(Asked asked);
  bool dies_uncounted() const;

  AskSocket asks_;
  bool armed_ = false;
  bool counted_ = false;  // the donor has said how many sessions it has
  bool provoked_ = false;
  std::optional<Asked> held_, target_;
  std::optional<Clock::time_point> held_until_;
  std::unique_ptr<test::Process> stop_;  // `handoff stop`
};

}  // namespace chaos
