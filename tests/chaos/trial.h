// Runs one cell: a supervisor, a service, clients; an upgrade, the blow at its point, and what is
// left afterwards.
#pragma once

#include <optional>

#include "cell.h"
#include "expectation.h"
#include "point.h"
#include "result.h"
#include "strike.h"
#include "supervision.h"
#include "traffic.h"

namespace chaos {

class Trial {
 public:
  struct Options {
    std::size_t sessions = 24;
    bool log = false;  // keep it also if nothing is wrong
  };
  Trial(Cell cell, Options options);

  Result run();

 private:
  // Each step is over when what it waits for has happened; a Problem ends the trial.
  struct Problem {
    std::string text;
  };
  struct NotApplicable {
    std::string why;
  };

  void start();
  void upgrade_to_the_point();
  bool dies_uncounted() const;
  void find_victims();
  void strike();
  void await_outcome();
  void await_owner();
  void take_up_again();
  void examine_history();
  void examine_owner();
  void examine_files();
  void upgrade_once_more();
  void finish();
  void finish_traffic();
  void finish_supervisor();
  void judge();

  void turn();
  void handle(Asked asked);
  void provoke(Asked asked);
  void resume_all();
  template <class Condition>
  bool wait_until(const Condition& condition, std::chrono::milliseconds limit);
  template <class Condition>
  void require(const Condition& condition, const std::string& what);
  nlohmann::json status();
  bool supervisor_lives() { return supervision_.process().running(); }
  std::string owner_name() const;
  void problem(std::string text) { result_.problems.push_back(std::move(text)); }

  const Cell cell_;
  const Options options_;
  const Point* point_;
  const Expectation expected_;
  Supervision supervision_;
  StrikeSocket strikes_;
  std::optional<Traffic> traffic_;
  Result result_;

  pid_t donor_ = 0, heir_ = 0;
  pid_t owner_ = 0;  // afterwards; 0: nobody
  std::string owners_release_;
  std::size_t quiet_ = 0;                    // clients that say nothing meanwhile
  std::multiset<std::string> files_before_;  // the donor's
  bool armed_ = false;
  bool counted_ = false;  // the donor has said how many sessions it has
  bool provoked_ = false;
  std::optional<Asked> held_, target_;
  std::optional<Clock::time_point> held_until_;
  std::vector<std::pair<pid_t, handoff::UniqueFd>> victims_;
  Clock::time_point struck_at_;
  std::optional<Clock::time_point> woken_at_;  // somebody who was stopped was resumed
  bool over_when_struck_ = false;  // the handoff; or may have been: donor and heir had said so
  std::unique_ptr<test::Process> upgrade_, stop_;
};

}  // namespace chaos
