#include "siege.h"

#include <csignal>
#include <memory>

#include "account.h"
#include "scene.h"
#include "supervision.h"
#include "support/process/proc.h"
#include "surrounding.h"

namespace chaos {
namespace {

using nlohmann::json;

class Besieged {
 public:
  Besieged(const Siege& siege, const SiegeOptions& options)
      : siege_(siege),
        options_(options),
        surrounding_(make_surrounding(siege.what)),
        promise_(surrounding_->promise(siege.hit)),
        scene_(siege.service) {}

  void run() {
    set();
    surrounding_->happen(scene_);
    look_before();
    hit();
    await();
    look_after();
    try {
      go_on();
    } catch (const Problem& trouble) {
      problems.push_back(trouble.text);
    }
    account_.log = scene_.log();
    const auto broken = judge(siege_.hit, promise_, account_);
    problems.insert(problems.begin(), broken.begin(), broken.end());
  }
  Tally tally() const {
    Tally out = scene_.struck.tally();
    return out += scene_.beside.tally();
  }
  std::string log() const { return scene_.log(); }

  bool struck = false;
  int self_status = -1;
  std::vector<std::string> problems;
  const Promise& promise() const { return promise_; }

 private:
  void set();
  void look_before();
  void hit();
  void await();
  void look_after();
  void go_on();
  void upgrade_to_the_next(Tested& what);
  void end();
  std::vector<json> history();
  bool killed() const { return siege_.hit == Hit::kService; }
  // Clients whose process lives are all served, and in the end, too.
  bool struck_is_served() const { return !promise_.ordered; }

  const Siege siege_;
  const SiegeOptions options_;
  // Outlives the scene, since the supervisor's folders may lie in it.
  const std::unique_ptr<Surrounding> surrounding_;
  const Promise promise_;
  Scene scene_;
  Account account_;
  std::size_t history_before_ = 0;
};

void Besieged::set() {
  surrounding_->prepare(scene_);
  scene_.start();
  for (const Tested* one : {&scene_.struck, &scene_.beside}) {
    const json now = scene_.settle(*one);
    if (one == &scene_.struck) account_.digests["1.0"] = now.at("digest");
  }
  surrounding_->before_clients(scene_);
  history_before_ = scene_.supervisor.history().size();
  scene_.upgrades_done = 0;
  // Sessions that are lost are counted one by one, and a visitor that leaves just then would spoil
  // the count.
  scene_.connect(scene_.struck, options_.sessions, struck_is_served() && !killed());
  scene_.connect(scene_.beside, options_.sessions, true);
}

void Besieged::look_before() {
  account_.residents = scene_.struck.traffic->alive();
  account_.before = scene_.status(scene_.struck);
  account_.beside_before = scene_.status(scene_.beside);
  if (account_.before.value("release", "") == "2.0") {
    account_.digests["2.0"] = account_.before.at("digest");
  }
}

void Besieged::hit() {
  struck = true;
  switch (siege_.hit) {
    case Hit::kSupervisor:
      scene_.supervisor.kill();
      surrounding_->at_the_blow(scene_);
      scene_.start();
      return;
    case Hit::kSelf: {
      surrounding_->at_the_blow(scene_);
      const auto self = scene_.command({"upgrade", "--self", "--json"});
      self_status = self.status;
      account_.told.push_back({.command = "upgrade --self",
                               .status = self.status,
                               .may = {promise_.self_refused_by.empty() ? 0 : 1},
                               .code = last_line(self).value("/error/code"_json_pointer, ""),
                               .must_be = promise_.self_refused_by});
      return;
    }
    case Hit::kService: {
      surrounding_->at_the_blow(scene_);
      const json pid = scene_.status(scene_.struck).value("pid", json());
      if (!pid.is_number()) throw Problem{"there is no process to be killed"};
      test::kill_and_wait(test::hold(pid));
      return;
    }
  }
}

// Until the service is as was promised. What it is otherwise in the end, the judge says.
void Besieged::await() {
  const std::string state = promise_.ordered ? "stopped" : "running";
  const auto so = [&](const json& now) {
    if (now.value("state", "") != state) return false;
    return !killed() || promise_.ordered || now.value("pid", json()) != account_.before["pid"];
  };
  scene_.await(scene_.struck, so, scene_.struck.name + " is not " + state);
  const auto runs = [](const json& now) { return now.value("state", "") == "running"; };
  scene_.await(scene_.beside, runs, "the service beside it does not run");
  for (Told& told : surrounding_->told(scene_, siege_.hit)) account_.told.push_back(told);
  if (killed() || promise_.ordered) scene_.expect_all_cut(scene_.struck);
  account_.struck = scene_.struck.tally();
  if (!promise_.ordered) {
    if (killed()) scene_.connect(scene_.struck, options_.sessions, false);
    scene_.expect_served(scene_.struck);
  }
  scene_.expect_served(scene_.beside);
}

void Besieged::look_after() {
  if (!killed() && !promise_.ordered) account_.struck = scene_.struck.tally();
  account_.beside = scene_.beside.tally();
  account_.after = scene_.printed_status(scene_.struck);
  account_.beside_after = scene_.status(scene_.beside);
  account_.runs = release_that_runs(scene_.struck, account_.after.value("pid", json()));
  account_.beside_runs =
      release_that_runs(scene_.beside, account_.beside_after.value("pid", json()));
  account_.upgrades_done = scene_.upgrades_done;
  account_.history = history();
}

std::vector<json> Besieged::history() {
  std::vector<json> records = scene_.supervisor.history();
  const auto before = static_cast<std::ptrdiff_t>(std::min(history_before_, records.size()));
  records.erase(records.begin(), records.begin() + before);
  return records;
}

// ---- everything works again

void Besieged::go_on() {
  surrounding_->pass(scene_, siege_.hit);
  if (!scene_.struck.traffic) scene_.connect(scene_.struck, options_.sessions, false);
  upgrade_to_the_next(scene_.struck);
  upgrade_to_the_next(scene_.beside);
  end();
}

void Besieged::upgrade_to_the_next(Tested& what) {
  const bool second = scene_.settle(what).value("release", "") == "2.0";
  const std::string release = second ? "1.0" : "2.0";
  // The file of the first release may be another by now.
  const std::string path = second ? scene_.path("again") : what.two;
  if (second) copy_program(what.service, 1, path);
  scene_.upgrade(what, path);
  const json now = scene_.settle(what);
  if (now.value("release", "") != release || release_that_runs(what, now.at("pid")) != release) {
    problems.push_back("substituted: after the next upgrade: " + now.dump());
  }
  scene_.expect_served(what);
}

void Besieged::end() {
  std::vector<pid_t> services;
  for (Tested* one : {&scene_.struck, &scene_.beside}) {
    services.push_back(scene_.status(*one).at("pid"));
    one->traffic->finish();
    scene_.require([&] { return one->traffic->finished(); },
                   "the clients of " + one->name + " do not get their last answers");
    const Tally tally = one->traffic->tally();
    if (tally.reset + tally.visitors_reset + tally.unanswered > 0) {
      problems.push_back("lost: connections of " + one->name + ", after all was over");
    }
    if (tally.lost + tally.duplicated + tally.wrong > 0) problems.emplace_back("wrong bytes");
  }
  scene_.supervisor.process().signal(SIGTERM);
  const test::Outcome outcome = scene_.finish(scene_.supervisor.process());
  if (outcome.status != 0) {
    problems.push_back("the supervisor ended with " + std::to_string(outcome.status));
  }
  for (const pid_t pid : services) {
    if (can_act(pid)) problems.push_back("a process is left behind: " + std::to_string(pid));
  }
}

std::string in_words(const Siege& siege, const Besieged& trial) {
  const Promise& promise = trial.promise();
  std::string out = promise.ordered ? "stopped" : promise.release + " " + promise.standing;
  if (siege.hit == Hit::kSelf) out += ", exit " + std::to_string(trial.self_status);
  return out;
}

}  // namespace

Result run_siege(const Siege& siege, const SiegeOptions& options) {
  Result result;
  Besieged trial(siege, options);
  try {
    trial.run();
  } catch (const Problem& trouble) {
    trial.problems.push_back(trouble.text);
  }
  result.reached = trial.struck;
  result.status = trial.self_status;
  result.outcome = in_words(siege, trial);
  result.tally = trial.tally();
  result.problems = trial.problems;
  // A service that was killed is told by RESTARTS, and the judge has seen it there.
  if (result.problems.empty()) result.reported = static_cast<std::int64_t>(result.tally.reset);
  if (!result.problems.empty()) {
    result.verdict = Result::Verdict::kFailed;
    result.problems.insert(result.problems.end(), result.tally.errors.begin(),
                           result.tally.errors.end());
  }
  if (!result.problems.empty() || options.log) result.log = trial.log();
  return result;
}

}  // namespace chaos
