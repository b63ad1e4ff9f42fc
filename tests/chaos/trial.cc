#include "trial.h"

#include <csignal>
#include <sstream>

#include "proc.h"

namespace chaos {

using namespace std::chrono_literals;
using nlohmann::json;
using Act = Provocation::Act;

namespace {

constexpr auto kPatience = 30s;
// The clients go on while the process waits at the point: what the others do meanwhile counts.
constexpr auto kLinger = 8ms;
// A donor that is about to die is counted as soon as it has said how many sessions it has.
constexpr const char* kSaysHowMany = "service.status.sent";
constexpr auto kCountTakes = 2s;
constexpr auto kSlowFor = 100ms;  // well below the freeze budget of Supervision
// Longer than what donor, heir and supervisor wait for each other with Supervision's timers.
constexpr auto kStopFor = 4500ms;
constexpr int kAttempts = 5;
constexpr auto kDelay = 350ms;  // above the freeze budget
constexpr auto kOrphansHangFor = 1500ms;
constexpr auto kWakingTakes =
    500ms;  // to read what has come meanwhile, and to leave if that says so

void signal_process(pid_t pid, int number) { ::kill(pid, number); }

}  // namespace

Trial::Trial(Cell cell, Options options)
    : cell_(std::move(cell)),
      options_(options),
      point_(cell_.moment() ? nullptr : find_point(cell_.point)),
      expected_(expect(cell_, point_)),
      supervision_(cell_.service),
      strikes_(supervision_.path("ask")) {
  if (!cell_.moment() && point_ == nullptr) {
    throw std::runtime_error("no point " + cell_.point + " in tests/chaos/point.cc");
  }
}

Result Trial::run() {
  try {
    start();
    upgrade_to_the_point();
    find_victims();
    strike();
    await_outcome();
    await_owner();
    if (!supervisor_lives()) take_up_again();
    if (owner_ != 0) {
      examine_owner();
      examine_files();
    }
    judge();
    if (owner_ != 0) upgrade_once_more();
    finish();
  } catch (const Problem& trouble) {
    problem(trouble.text);
  } catch (const NotApplicable& no) {
    result_.verdict = Result::Verdict::kNotApplicable;
    result_.outcome = no.why;
  }
  if (traffic_) result_.tally = traffic_->tally();
  if (result_.tally.lost + result_.tally.duplicated + result_.tally.wrong > 0) {
    problem("wrong bytes");
  }
  if (!result_.problems.empty()) {
    result_.verdict = Result::Verdict::kFailed;
    for (const std::string& error : result_.tally.errors) problem(error);
  }
  if (!result_.problems.empty() || options_.log) result_.log = supervision_.log();
  return std::move(result_);
}

// -- while anything is waited for

void Trial::turn() {
  if (held_until_ && Clock::now() >= *held_until_) held_.reset();
  const auto idle = [this](int ms) {
    for (Asked& asked : strikes_.poll(ms)) handle(std::move(asked));
  };
  if (traffic_) {
    traffic_->pump(idle);
  } else {
    idle(2);
  }
}

template <class Condition>
bool Trial::wait_until(const Condition& condition, std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() >= until) return false;
    turn();
  }
  return true;
}

template <class Condition>
void Trial::require(const Condition& condition, const std::string& what) {
  if (!wait_until(condition, kPatience)) throw Problem{what};
}

json Trial::status() {
  Supervision::Question question = supervision_.ask_status();
  json answer;
  require(
      [&] {
        if (auto reply = question.reply()) answer = *reply;
        return !answer.is_null();
      },
      "the supervisor does not answer");
  return answer;
}

// A point that is not the one, or not its time, is passed at once: the Asked ends here.
void Trial::handle(Asked asked) {
  if (!armed_) return;
  if (asked.pid() == donor_ && asked.point() == kSaysHowMany) counted_ = true;
  if (target_ || point_ == nullptr) return;
  const Provocation& provocation = point_->provocation;
  if (provocation.act != Act::kNone && !provoked_ && asked.point() == provocation.at) {
    provoked_ = true;
    provoke(std::move(asked));
  } else if (asked.point() == cell_.point) {
    target_ = std::move(asked);
  }
}

void Trial::provoke(Asked asked) {
  switch (point_->provocation.act) {
    case Act::kNone:
    case Act::kError:
      return;
    case Act::kKillIt:
      signal_process(asked.pid(), SIGKILL);
      return;
    case Act::kStopIt: {
      signal_process(asked.pid(), SIGSTOP);
      const auto until = Clock::now() + kPatience;
      while (process_state(asked.pid()) != 'T' && Clock::now() < until) {
      }
      return;
    }
    case Act::kStop:
      stop_ = supervision_.command({"stop", std::string(name(cell_.service))});
      break;
    case Act::kHold:
      break;
    case Act::kDelay:
      held_until_ = Clock::now() + kDelay;
      break;
  }
  held_ = std::move(asked);
}

// -- before the blow

void Trial::start() {
  std::string orders;
  if (point_ != nullptr) {
    orders = strikes_.orders(cell_.point);
    if (dies_uncounted()) orders += "," + strikes_.orders(kSaysHowMany);
    const Provocation& provocation = point_->provocation;
    if (provocation.act == Act::kError) {
      orders += "," + std::string(provocation.at) + "=error:EIO";
    } else if (provocation.act != Act::kNone) {
      orders += "," + strikes_.orders(std::string(provocation.at));
    }
  }
  supervision_.start(orders);
  json now;
  require(
      [&] {
        if (!supervisor_lives()) throw Problem{"the supervisor ended:\n" + supervision_.log()};
        now = status();
        return now.value("state", "") == "running";
      },
      "the service did not come up");
  donor_ = now.at("pid");
  const std::string address = now.at("listeners").at(0).at("address");
  traffic_.emplace(cell_.service, std::stoi(address.substr(address.rfind(':') + 1)),
                   options_.sessions);
  require([&] { return traffic_->settled(); }, "the clients were not served");
  quiet_ = traffic_->alive(Manner::kQuiet);
  files_before_ = test::open_files(donor_);
  traffic_->reset_gaps();
  // Where sessions are lost each of them is counted, and a visitor may have gone just then.
  traffic_->invite_visitors(!expected_.loss);
}

void Trial::upgrade_to_the_point() {
  armed_ = true;
  upgrade_ = supervision_.upgrade(2);
  const auto moment = cell_.moment();
  if (moment) {
    require([&] { return upgrade_->out().find("\"start\"") != std::string::npos; },
            "the upgrade does not begin");
  }
  const auto begin = Clock::now();
  const auto there = [&] {
    if (moment) return Clock::now() >= begin + *moment;
    // With a stop the upgrade's end is not the end of what may be passed.
    return target_.has_value() || (!upgrade_->running() && !(stop_ && stop_->running()));
  };
  if (!wait_until(there, kPatience) || (!moment && !target_)) {
    throw NotApplicable{"the point was not passed"};
  }
  result_.reached = true;
  const auto reached = Clock::now();
  if (dies_uncounted()) wait_until([&] { return counted_; }, kCountTakes);
  if (!moment && point_->latest <= Phase::kPrepared) {
    wait_until([&] { return Clock::now() >= reached + kLinger; }, kPatience);
  }
  if (moment && !upgrade_->running()) throw NotApplicable{"the upgrade was over"};
}

// The supervisor asks the donor how many sessions it has when it starts the heir. On a busy host
// the answer may come later than the point.
bool Trial::dies_uncounted() const {
  return cell_.victim == Victim::kDonor && cell_.blow == Blow::kKill && point_ != nullptr &&
         point_->earliest == Phase::kBefore && !point_->uncounted;
}

// The heir may not have been executed yet, and then has its parent's environment.
void Trial::find_victims() {
  for (const pid_t pid : supervision_.services()) {
    if (pid != donor_ && generation_of(pid) <= 2) heir_ = pid;
  }
  const auto add = [this](bool wanted, pid_t pid, const char* who) {
    if (!wanted) return;
    if (pid == 0 || !is_running(pid)) throw NotApplicable{std::string("no ") + who + " then"};
    victims_.emplace_back(pid, test::hold(pid));
  };
  // The supervisor first: it must not live to see and tell the others' end.
  add(has_supervisor(cell_.victim), supervision_.pid(), "supervisor");
  add(has_donor(cell_.victim), donor_, "donor");
  add(has_heir(cell_.victim), heir_, "heir");
}

void Trial::strike() {
  for (const auto& [pid, handle] : victims_) {
    signal_process(pid, cell_.blow == Blow::kKill ? SIGKILL : SIGSTOP);
  }
  for (const auto& [pid, handle] : victims_) {
    const bool struck = cell_.blow == Blow::kKill
                            ? test::wait_end(handle, test::Deadline::in(kPatience))
                            : wait_until(
                                  [pid = pid] {
                                    const char state = process_state(pid);
                                    return state == 'T' || state == '\0' || state == 'Z';
                                  },
                                  kPatience);
    if (!struck) throw Problem{"the victim does not take the blow"};
  }
  struck_at_ = Clock::now();
  if (has_donor(cell_.victim)) {
    const bool heir_gone = heir_ == 0 || !is_running(heir_);
    over_when_struck_ = heir_gone && point_ != nullptr && point_->gave_up;
  } else {
    over_when_struck_ = !is_running(donor_) || (point_ != nullptr && point_->said);
  }
  if (target_) target_->answer();
  held_.reset();
  if (cell_.blow == Blow::kSlow) {
    wait_until([&] { return Clock::now() >= struck_at_ + kSlowFor; }, kPatience);
    for (const auto& [pid, handle] : victims_) signal_process(pid, SIGCONT);
  }
}

// -- after it

// Whoever was stopped by the blow or by the provocation.
void Trial::resume_all() {
  for (const pid_t pid : {donor_, heir_, supervision_.pid()}) {
    if (pid == 0 || process_state(pid) != 'T') continue;
    signal_process(pid, SIGCONT);
    woken_at_ = Clock::now();
  }
}

void Trial::await_outcome() {
  const bool timed = cell_.blow == Blow::kStop && has_supervisor(cell_.victim);
  bool resumed = false;
  require(
      [&] {
        const bool over = !upgrade_->running();
        const auto since = Clock::now() - struck_at_;
        const bool time =
            timed ? since >= kStopFor : over && (supervisor_lives() || since >= kOrphansHangFor);
        if (time && !resumed) {
          resumed = true;
          resume_all();
        }
        return over && resumed;
      },
      "handoff upgrade does not end");
  result_.status = upgrade_->wait(test::Deadline::in(kPatience)).value_or(-1);
  upgrade_->wait_output_end(test::Deadline::in(kPatience));
  const std::string out = upgrade_->out();
  const std::size_t begin = out.rfind('\n', out.size() < 2 ? 0 : out.size() - 2);
  const json done =
      json::parse(out.substr(begin == std::string::npos ? 0 : begin + 1), nullptr, false);
  if (done.is_object() && done.contains("sessions")) {
    result_.reported = done["sessions"].value("lost", std::int64_t{0});
  }
}

void Trial::await_owner() {
  const auto settled = [&] {
    const auto services = supervision_.services();
    owner_ = services.empty() ? 0 : services.front();
    if (!supervisor_lives()) {
      return services.size() <= 1 && (!woken_at_ || Clock::now() >= *woken_at_ + kWakingTakes);
    }
    if (services.size() > 1) return false;
    const json now = status();
    owners_release_ = now.at("release").is_string() ? now["release"] : "";
    const std::string state = now.value("state", "");
    if (expected_.ordered && state == "stopped") owner_ = 0;
    return state == "stopped" ? expected_.ordered : state == "running" && now["pid"] == owner_;
  };
  if (!wait_until(settled, kPatience)) {
    throw Problem{std::to_string(supervision_.services().size()) +
                  " processes are left, the service is " + status().value("state", "?")};
  }
  result_.outcome = owner_name() + ", exit " + std::to_string(result_.status);
  // Who was cut off has to find out, to be counted.
  traffic_->invite_visitors(false);
  traffic_->wake();
  traffic_->ask_again();
  if (owner_ == 0) {
    require([&] { return traffic_->alive() == 0; }, "nobody serves, and clients live");
  }
}

// The next supervisor must find what the one before has left: the same process, the same
// generation. If nobody is left it starts the service anew, on a listener of its own.
void Trial::take_up_again() {
  const pid_t pid = owner_;
  const long generation = pid == 0 ? 0 : generation_of(pid);
  supervision_.start("");
  json now;
  require(
      [&] {
        if (!supervisor_lives()) throw Problem{"the next supervisor ended:\n" + supervision_.log()};
        now = status();
        return now.value("state", "") == "running";
      },
      "the next supervisor does not have the service running");
  if (pid == 0) return;
  if (expected_.ordered) {  // it may have obeyed meanwhile
    owner_ = 0;
    return;
  }
  owner_ = now.at("pid");
  if (owner_ != pid || now.at("generation") != generation) {
    problem("the next supervisor did not adopt the service");
  }
  owners_release_ = now.at("release").is_string() ? now["release"] : "";
  examine_history();
}

// It must tell how the upgrade has ended that its predecessor had begun.
void Trial::examine_history() {
  std::string result;
  std::string text;
  require(
      [&] {
        const auto history = supervision_.command({"history", "--json"});
        history->wait(test::Deadline::in(kPatience));
        history->wait_output_end(test::Deadline::in(kPatience));
        std::istringstream lines(text = history->out());
        bool asked = false;
        for (std::string line; std::getline(lines, line);) {
          const json record = json::parse(line, nullptr, false);
          if (record.value("event", "") == "requested") asked = true;
          if (record.value("event", "") == "upgrade") result = record.value("result", "");
        }
        return !asked || !result.empty();
      },
      "the history does not tell how the upgrade ended");
  if (!result.empty() && (result == "failed") != (owner_ == donor_)) {
    problem("the history does not tell how the upgrade ended: " + text);
  }
}

void Trial::examine_owner() {
  require([&] { return traffic_->all_answered_again(); }, "sessions are not served any more");
  for (int i = 0; i < 3; ++i) traffic_->visit();
  require([&] { return traffic_->visitors_gone(); }, "new connections are not served");
  if (!supervisor_lives()) return;
  json sessions;
  const auto as_many = [&] {
    sessions = status().at("sessions");
    return sessions == traffic_->alive();
  };
  if (!wait_until(as_many, 5s)) {
    problem("the service has " + sessions.dump() + " sessions, the clients are " +
            std::to_string(traffic_->alive()));
  }
}

// A donor that goes on has what it had; an heir is compared with its successor.
void Trial::examine_files() {
  if (owner_ != donor_ || traffic_->cut() > 0) return;
  // To the next supervisor it has another control socket than to the one before.
  const bool another = has_supervisor(cell_.victim) && cell_.blow == Blow::kKill;
  const std::string replaced = " -socket:[";
  std::string difference;
  const auto same = [&] {
    difference = test::difference(files_before_, test::open_files(donor_));
    if (!another) return difference.empty();
    return difference.starts_with("+socket:[") && difference.find(' ') == difference.rfind(' ') &&
           difference.find(replaced) != std::string::npos;
  };
  if (!wait_until(same, 5s)) problem("the donor's fds have changed: " + difference);
}

void Trial::upgrade_once_more() {
  const bool fails_again = point_ != nullptr && point_->provocation.act == Act::kError;
  if (!supervisor_lives() || expected_.ordered || fails_again) return;
  const auto before = kinds_of_files(owner_);
  const bool same_release = owners_release_ == "2.0";
  // On a busy host it may miss its small budget, and then is simply tried again.
  for (int attempt = 1;; ++attempt) {
    const auto upgrade = supervision_.upgrade(2);
    require([&] { return !upgrade->running(); }, "the next upgrade does not end");
    if (upgrade->wait(test::Deadline::in(kPatience)) == 0) break;
    upgrade->wait_output_end(test::Deadline::in(kPatience));
    if (attempt == kAttempts || upgrade->out().find("\"timeout\"") == std::string::npos) {
      throw Problem{"the next upgrade failed: " + upgrade->out() + upgrade->err()};
    }
  }
  traffic_->ask_again();
  require([&] { return traffic_->all_answered_again(); },
          "after the next upgrade sessions are not served any more");
  std::vector<pid_t> services;  // an upgrade is over before its donor has exited
  require([&] { return (services = supervision_.services()).size() == 1; },
          "after the next upgrade there is not one process");
  if (!same_release) return;
  std::map<std::string, int> after;
  if (!wait_until([&] { return (after = kinds_of_files(services.front())) == before; }, 5s)) {
    problem("the owner's fds: " + describe(before) + "; its successor's: " + describe(after));
  }
}

// Where the order was to stop there is no last answer to wait for, but an end: who has come
// meanwhile is served by a process that was started anew, or cut off.
void Trial::finish() {
  if (owner_ != 0) finish_traffic();
  if (supervisor_lives()) finish_supervisor();
  if (owner_ == 0) finish_traffic();
}

void Trial::finish_traffic() {
  traffic_->finish();
  require([&] { return traffic_->finished(); }, "the clients do not get their last answers");
}

void Trial::finish_supervisor() {
  supervision_.process().signal(SIGTERM);
  require([&] { return !supervisor_lives(); }, "the supervisor does not stop");
  const auto status = supervision_.process().wait(test::Deadline::in(kPatience));
  if (status != 0) problem("the supervisor ended with " + std::to_string(status.value_or(-1)));
  for (const pid_t pid : supervision_.services()) {
    if (can_act(pid)) problem("the supervisor has left a process behind: " + std::to_string(pid));
  }
}

// -- the rules

std::string Trial::owner_name() const {
  if (owner_ == 0) return "nobody";
  if (owner_ == donor_) return "donor";
  return owner_ == heir_ || generation_of(owner_) == 2 ? "heir" : "started anew";
}

void Trial::judge() {
  const Tally tally = traffic_->tally();
  if (!expected_.loss && tally.reset + tally.visitors_reset > 0) {
    problem(std::to_string(tally.reset + tally.visitors_reset) +
            " connections were lost, and the fault table says none");
  }
  // An owner that dies or hangs when the handoff is over is not the upgrade's to report: the heir
  // after one that was done, the donor after one that failed.
  const int over_with = has_donor(cell_.victim) ? 1 : 0;
  const bool afterwards = over_when_struck_ && result_.status == over_with && expected_.loss;
  if (!expected_.statuses.contains(result_.status) && !afterwards) {
    std::string may;
    for (const int status : expected_.statuses) may += " " + std::to_string(status);
    problem("handoff upgrade ended with " + std::to_string(result_.status) + ", expected" + may);
  }
  if (expected_.ordered) return;
  // A crash before anything had begun is not the upgrade's to report.
  if (point_ != nullptr && point_->latest == Phase::kAsked && expected_.loss) return;
  if (expected_.quiet_kept && traffic_->alive(Manner::kQuiet) != quiet_) {
    problem("a session was lost whose socket had not moved");
  }
  if (owner_ == 0 && !expected_.nobody) problem("nobody serves");
  const std::string told = std::to_string(result_.reported) + " sessions reported as lost, " +
                           std::to_string(tally.reset) + " were";
  switch (result_.status) {
    case 0:
      if (owner_ == donor_) problem("exit status 0, and the old release serves");
      if (tally.reset != 0 && !afterwards) problem("exit status 0: " + told);
      break;
    case 1:
      if (afterwards) break;
      if (owner_ != donor_) problem("exit status 1, and the old process does not serve");
      if (tally.reset != 0) problem("exit status 1: " + told);
      break;
    case 5:
      if (result_.reported == 0 && point_ != nullptr && point_->uncounted) break;
      if (result_.reported != static_cast<std::int64_t>(tally.reset)) problem(told);
      break;
    default:  // nobody could report
      result_.reported = -1;
      break;
  }
  const std::string log = supervision_.log();
  for (const char* sign : {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"}) {
    if (log.find(sign) != std::string::npos) problem(sign);
  }
}

}  // namespace chaos
