// Surroundings in which an operation of the struck service is under way, or its release on
// probation.
#include <filesystem>
#include <utility>

#include "supervision.h"
#include "support/process/programs.h"
#include "surrounding.h"

namespace chaos {
namespace {

using nlohmann::json;

constexpr int kDone = 0, kUnchanged = 1, kNoSupervisor = 3;

// An heir that says nothing: the operation waits for it, until it is given up.
std::vector<std::string> towards_nobody(const char* command, const Scene& scene,
                                        const char* start_timeout) {
  return {command,       "--json",          "--start-timeout",
          start_timeout, scene.struck.name, test::program("bad_heir"),
          "--",          "is-never-ready"};
}

void await_state(Scene& scene, const std::string& state) {
  scene.await(
      scene.struck, [&](const json& now) { return now.value("state", "") == state; },
      scene.struck.name + " is not " + state);
}

Told told_of(Scene& scene, std::string command, test::Process& process, std::set<int> may) {
  const test::Outcome outcome = scene.finish(process);
  return {.command = std::move(command), .status = outcome.status, .may = std::move(may)};
}

class OnProbation final : public Surrounding {
 public:
  void happen(Scene& scene) override {
    scene.upgrade(scene.struck, scene.struck.two, {"--probation", "1h"});
    scene.settle(scene.struck);
  }
  Promise promise(Hit hit) const override {
    if (hit == Hit::kService) return {.went_back = true};
    return {.release = "2.0", .standing = "provisional", .back = "1.0"};
  }
  // The probation goes on until somebody ends it.
  void pass(Scene& scene, Hit hit) override {
    if (hit == Hit::kService) return;
    const auto commit = scene.command({"commit", scene.struck.name});
    if (commit.status != kDone) throw Problem{"it can't be committed: " + commit.describe()};
  }
};

class PlanUnderWay final : public Surrounding {
 public:
  void happen(Scene& scene) override {
    plan_ = scene.supervisor.begin(towards_nobody("plan", scene, "3s"));
    await_state(scene, "planning");
  }
  Promise promise(Hit) const override { return {.self_refused_by = "busy"}; }
  std::vector<Told> told(Scene& scene, Hit hit) override {
    const int status = hit == Hit::kSupervisor ? kNoSupervisor : kUnchanged;
    return {told_of(scene, "plan", *plan_, {status})};
  }

 private:
  std::unique_ptr<test::Process> plan_;
};

// What was asked for first is given up, or goes on: either way the service is stopped in the end.
class Stop : public Surrounding {
 public:
  Promise promise(Hit) const override { return {.ordered = true, .self_refused_by = "busy"}; }
  std::vector<Told> told(Scene& scene, Hit hit) override {
    const int status = hit == Hit::kSupervisor ? kNoSupervisor : kDone;
    return {told_of(scene, "stop", *stop_, {status})};
  }
  void pass(Scene& scene, Hit) override {
    const auto restart = scene.command({"restart", scene.struck.name});
    if (restart.status != kDone) throw Problem{"it can't be started: " + restart.describe()};
    scene.settle(scene.struck);
  }

 protected:
  void ask(Scene& scene) {
    stop_ = scene.supervisor.begin({"stop", scene.struck.name});
    await_state(scene, "stopping");
  }

 private:
  std::unique_ptr<test::Process> stop_;
};

class StopInUpgrade final : public Stop {
 public:
  void happen(Scene& scene) override {
    upgrade_ = scene.supervisor.begin(towards_nobody("upgrade", scene, "30s"));
    await_state(scene, "upgrading");
    ask(scene);
  }
  std::vector<Told> told(Scene& scene, Hit hit) override {
    std::vector<Told> out = Stop::told(scene, hit);
    std::set<int> may = {kUnchanged};
    if (hit == Hit::kSupervisor) may.insert(kNoSupervisor);
    out.push_back(told_of(scene, "upgrade", *upgrade_, std::move(may)));
    return out;
  }

 private:
  std::unique_ptr<test::Process> upgrade_;
};

class UpgradeInStop final : public Stop {
 public:
  void happen(Scene& scene) override {
    ask(scene);
    upgrade_ = scene.command({"upgrade", "--json", scene.struck.name, scene.struck.two});
  }
  std::vector<Told> told(Scene& scene, Hit hit) override {
    std::vector<Told> out = Stop::told(scene, hit);
    out.push_back({.command = "upgrade",
                   .status = upgrade_.status,
                   .may = {kUnchanged},
                   .code = last_line(upgrade_).value("/error/code"_json_pointer, ""),
                   .must_be = "busy"});
    return out;
  }

 private:
  test::Outcome upgrade_;
};

}  // namespace

std::unique_ptr<Surrounding> make_operation(What what) {
  switch (what) {
    case What::kProbation:
      return std::make_unique<OnProbation>();
    case What::kPlan:
      return std::make_unique<PlanUnderWay>();
    case What::kStopInUpgrade:
      return std::make_unique<StopInUpgrade>();
    case What::kUpgradeInStop:
      return std::make_unique<UpgradeInStop>();
    default:
      throw std::logic_error(std::string(name(what)) + " is no operation");
  }
}

}  // namespace chaos
