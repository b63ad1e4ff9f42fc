#include "examine.h"

#include <csignal>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "support/process/proc.h"

namespace chaos {

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr int kAttempts = 5;
// A process that was resumed gets this long to read what has come, and to leave if it must. No
// event tells that a process which stays has read all.
constexpr auto kWakingTakes = 500ms;
// The time that a process gets to close fds before they count as leaked.
constexpr auto kClosingTakes = 5s;
// A service's sockets that are no session: its listener, its control socket and its mailbox.
constexpr int kOwnSockets = 3;

std::string release_of(const json& service) {
  return service.at("release").is_string() ? service["release"].get<std::string>() : "";
}

}  // namespace

void Examination::examine() {
  await_owner();
  if (!stage_.supervisor_lives()) take_up_again();
  if (owner_ == 0) return;
  examine_sessions();
  examine_files();
}

void Examination::go_on() {
  if (owner_ != 0) upgrade_once_more();
  // After an order to stop, clients wait for their connections' end instead of a last answer. A
  // client that came later is served by a new process, or cut off.
  if (owner_ != 0) finish_traffic();
  if (stage_.supervisor_lives()) finish_supervisor();
  if (owner_ == 0) finish_traffic();
}

Examination::Owner Examination::owner() const {
  if (owner_ == 0) return Owner::kNobody;
  if (owner_ == stage_.donor) return Owner::kDonor;
  const bool heir = owner_ == stage_.heir || generation_of(owner_) == 2;
  return heir ? Owner::kHeir : Owner::kStartedAnew;
}

const char* name(Examination::Owner owner) {
  switch (owner) {
    case Examination::Owner::kNobody:
      return "nobody";
    case Examination::Owner::kDonor:
      return "donor";
    case Examination::Owner::kHeir:
      return "heir";
    case Examination::Owner::kStartedAnew:
      return "started anew";
  }
  return "?";
}

void Examination::await_owner() {
  const auto settled = [&] {
    const auto services = stage_.supervision.services();
    owner_ = services.empty() ? 0 : services.front();
    if (!stage_.supervisor_lives()) {
      const auto& woken = struck_.woken_at;
      return services.size() <= 1 && (!woken || Clock::now() >= *woken + kWakingTakes);
    }
    if (services.size() > 1) return false;
    const json now = stage_.status();
    owners_release_ = release_of(now);
    const std::string state = now.value("state", "");
    if (stage_.expected.ordered && state == "stopped") owner_ = 0;
    return state == "stopped" ? stage_.expected.ordered
                              : state == "running" && now["pid"] == owner_;
  };
  if (!stage_.wait_until(settled, kPatience)) {
    throw Problem{std::to_string(stage_.supervision.services().size()) +
                  " processes are left, the service is " + stage_.status().value("state", "?")};
  }
  outcome_ = std::string(name(owner())) + ", exit " + std::to_string(struck_.status);
  // The clients are woken, so that one that was cut off finds out and is counted.
  stage_.traffic->invite_visitors(false);
  stage_.traffic->wake();
  stage_.traffic->ask_again();
  if (owner_ == 0) {
    stage_.require([&] { return stage_.traffic->alive() == 0; }, "nobody serves, and clients live");
  }
}

// The next supervisor must find the process and generation that the one before has left. If none is
// left, it starts the service anew, on a listener of its own.
void Examination::take_up_again() {
  const pid_t pid = owner_;
  const long generation = pid == 0 ? 0 : generation_of(pid);
  stage_.supervision.start("");
  // A stop that was ordered is an order to the next supervisor as well, once that is in the state.
  const json now = stage_.wait_for_service("the next supervisor", stage_.expected.ordered);
  if (pid == 0) return;
  if (stage_.expected.ordered) {  // the process may have stopped by now, as ordered
    owner_ = 0;
    return;
  }
  owner_ = now.at("pid");
  if (owner_ != pid || now.at("generation") != generation) {
    problem("the next supervisor did not adopt the service");
  }
  owners_release_ = release_of(now);
  examine_history();
}

// The next supervisor must tell how the upgrade ended that its predecessor had begun.
void Examination::examine_history() {
  std::string result;
  std::string text;
  stage_.require(
      [&] {
        bool asked = false;
        text.clear();
        for (const json& record : stage_.supervision.supervisor().history()) {
          text += record.dump() + "\n";
          if (record.value("event", "") == "requested") asked = true;
          if (record.value("event", "") == "upgrade") result = record.value("result", "");
        }
        return !asked || !result.empty();
      },
      "the history does not tell how the upgrade ended");
  if (!result.empty() && (result == "failed") != (owner_ == stage_.donor)) {
    problem("the history does not tell how the upgrade ended: " + text);
  }
}

void Examination::examine_sessions() {
  Traffic& traffic = *stage_.traffic;
  stage_.require([&] { return traffic.all_answered_again(); }, "sessions are not served any more");
  for (int i = 0; i < 3; ++i) traffic.visit();
  stage_.require([&] { return traffic.visitors_gone(); }, "new connections are not served");
  if (!stage_.supervisor_lives()) return;
  json sessions;
  const auto as_many = [&] {
    sessions = stage_.status().at("sessions");
    return sessions == traffic.alive();
  };
  if (!stage_.wait_until(as_many, kClosingTakes)) {
    problem("the service has " + sessions.dump() + " sessions, the clients are " +
            std::to_string(traffic.alive()));
  }
}

// A donor that goes on has what it had; an heir is compared with its successor.
void Examination::examine_files() {
  if (owner_ != stage_.donor || stage_.traffic->cut() > 0) return;
  // After a supervisor's death the process has another control socket, to the next supervisor.
  const bool another = has_supervisor(stage_.cell.victim) && stage_.cell.blow == Blow::kKill;
  const std::string replaced = " -socket:[";
  std::string difference;
  const auto same = [&] {
    difference = test::difference(stage_.files, test::open_files(stage_.donor));
    if (!another) return difference.empty();
    return difference.starts_with("+socket:[") && difference.find(' ') == difference.rfind(' ') &&
           difference.find(replaced) != std::string::npos;
  };
  if (!stage_.wait_until(same, kClosingTakes)) {
    problem("the donor's fds have changed: " + difference);
  }
}

void Examination::upgrade_once_more() {
  const bool fails_again =
      stage_.point != nullptr && stage_.point->provocation.act == Provocation::Act::kError;
  if (!stage_.supervisor_lives() || stage_.expected.ordered || fails_again) return;
  // A visitor that has left is out of the count of sessions before its socket is closed.
  std::map<std::string, int> before;
  const int sockets = static_cast<int>(stage_.traffic->alive()) + kOwnSockets;
  if (!stage_.wait_until(
          [&] {
            before = kinds_of_files(owner_);
            return before["socket"] == sockets;
          },
          kClosingTakes)) {
    problem("the owner's fds: " + describe(before) + "; its sockets should be " +
            std::to_string(sockets));
  }
  const bool same_release = owners_release_ == "2.0";
  // On a busy host an upgrade may miss its small budget: then it is tried again.
  for (int attempt = 1;; ++attempt) {
    const auto upgrade = stage_.supervision.upgrade(2);
    stage_.require([&] { return !upgrade->running(); }, "the next upgrade does not end");
    const test::Outcome outcome = upgrade->finish();
    if (outcome.status == 0) break;
    if (attempt == kAttempts || outcome.out.find("\"timeout\"") == std::string::npos) {
      throw Problem{"the next upgrade failed: " + outcome.describe()};
    }
  }
  stage_.traffic->ask_again();
  stage_.require([&] { return stage_.traffic->all_answered_again(); },
                 "after the next upgrade sessions are not served any more");
  std::vector<pid_t> services;  // an upgrade is over before its donor has exited
  stage_.require([&] { return (services = stage_.supervision.services()).size() == 1; },
                 "after the next upgrade there is not one process");
  if (!same_release) return;
  std::map<std::string, int> after;
  if (!stage_.wait_until([&] { return (after = kinds_of_files(services.front())) == before; },
                         kClosingTakes)) {
    problem("the owner's fds: " + describe(before) + "; its successor's: " + describe(after));
  }
}

void Examination::finish_traffic() {
  stage_.traffic->finish();
  stage_.require([&] { return stage_.traffic->finished(); },
                 "the clients do not get their last answers");
}

void Examination::finish_supervisor() {
  stage_.supervision.process().signal(SIGTERM);
  stage_.require([&] { return !stage_.supervisor_lives(); }, "the supervisor does not stop");
  const int status = stage_.supervision.process().wait();
  if (status != 0) problem("the supervisor ended with " + std::to_string(status));
  for (const pid_t pid : stage_.supervision.services()) {
    if (can_act(pid)) problem("the supervisor has left a process behind: " + std::to_string(pid));
  }
}

}  // namespace chaos
