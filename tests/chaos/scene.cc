#include "scene.h"

#include <filesystem>
#include <thread>
#include <utility>

#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/question.h"

namespace chaos {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr int kNewcomers = 3;
// A lazy client reads megabytes through a buffer of 4 KiB, while a flood takes all the processor
// that a busy host has left.
constexpr auto kServingTakes = 90s;
// A session's end is counted when the service has read it.
constexpr auto kCountingTakes = 10s;

std::string program_of(Service service, int release) {
  return test::program("handoff-" + std::string(example(service)) + "-" + std::to_string(release));
}

int port_of(const json& status) {
  const std::string address = status.at("listeners").at(0).at("address");
  return std::stoi(address.substr(address.rfind(':') + 1));
}

}  // namespace

Tally Tested::tally() const {
  Tally out = gone;
  if (traffic) out += traffic->tally();
  return out;
}

Scene::Scene(Service service)
    : struck{.service = service,
             .name = std::string(example(service)),
             .one = path("one"),
             .two = path("two")},
      beside{.service = Service::kEcho,
             .name = "beside",
             .one = program_of(Service::kEcho, 1),
             .two = program_of(Service::kEcho, 2),
             .arguments = {"--name", "beside"}} {
  if (speaks_tls(service)) struck.arguments = certificate_.emplace().options();
  copy_program(service, 1, struck.one);
  copy_program(service, 2, struck.two);
}

// The freeze budget is no matter here, and a busy host may take longer than the default.
std::string Scene::table(const Tested& of) const {
  std::vector<std::string> command = {of.one};
  command.insert(command.end(), of.arguments.begin(), of.arguments.end());
  return "[service." + of.name + "]\ncommand = " + json(command).dump() +
         "\nlisten = { public = \"tcp:127.0.0.1:0\" }\ndrain = \"2s\"\nfreeze_budget = \"5s\"\n";
}

void Scene::start() {
  const std::string file = path("handoff.toml");
  test::write_file(file, top_config + table(struck) + table(beside) + more_config);
  test::Environment all = environment;
  all.try_emplace("HANDOFF_STATE_DIR", path("state"));
  supervisor.run({"--config", file}, all);
}

void Scene::turn() {
  if (on_turn) on_turn();
  // pump() says how long to wait: the clients ask at a rate, whatever has come.
  Traffic::Idle idle = [](int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); };
  bool waited = false;
  for (Tested* one : {&struck, &beside}) {
    if (one->traffic) one->traffic->pump(std::exchange(waited, true) ? [](int) {} : idle);
  }
  if (!waited) idle(2);
}

// ---- clients

void Scene::connect(Tested& to, std::size_t residents, bool visitors) {
  const json now = status(to);
  to.traffic.emplace(to.service, port_of(now), residents);
  require([&] { return to.traffic->settled(); }, "the clients of " + to.name + " were not served");
  to.traffic->reset_gaps();
  to.traffic->invite_visitors(visitors);
}

void Scene::expect_served(Tested& by) {
  by.traffic->invite_visitors(false);
  by.traffic->wake();
  by.traffic->ask_again();
  require([&] { return by.traffic->all_answered_again(); },
          by.name + " does not serve its sessions any more", kServingTakes);
  for (int i = 0; i < kNewcomers; ++i) by.traffic->visit();
  require([&] { return by.traffic->visitors_gone(); }, by.name + " serves no new connections");
  json counted;
  const auto as_many = [&] {
    counted = status(by).value("sessions", json());
    return counted == by.traffic->alive();
  };
  require(as_many, by.name + " does not count as many sessions as it has clients", kCountingTakes);
}

void Scene::expect_all_cut(Tested& of) {
  of.traffic->invite_visitors(false);
  of.traffic->wake();
  of.traffic->ask_again();
  require([&] { return of.traffic->alive() == 0 && of.traffic->visitors_gone(); },
          "clients live whose process is dead");
  of.gone += of.traffic->tally();
  of.traffic.reset();
}

// ---- the supervisor

json Scene::status(const Tested& of) {
  test::Question question(supervisor.runtime());
  std::optional<json> services;
  require([&] { return (services = question.services()).has_value(); },
          "the supervisor does not answer");
  for (const json& one : *services) {
    if (one.value("name", "") == of.name) return one;
  }
  return json::object();
}

json Scene::await(const Tested& of, const std::function<bool(const json&)>& so,
                  const std::string& what) {
  json now;
  try {
    require(
        [&] {
          if (!supervisor.process().running()) throw Problem{"the supervisor has ended"};
          return so(now = status(of));
        },
        what);
  } catch (const Problem& problem) {
    throw Problem{problem.text + ": " + now.dump()};
  }
  return now;
}

json Scene::settle(const Tested& of) {
  return await(
      of,
      [](const json& now) {
        return now.value("state", "") == "running" && now.at("leaving").empty() &&
               !now.at("kept").is_null();
      },
      of.name + " does not settle");
}

json Scene::printed_status(const Tested& of) {
  json found = json::object();
  // "drift" is null while the digest is not known.
  require(
      [&] {
        for (const json& one : last_line(command({"status", "--json"})).value("services", json())) {
          if (one.value("name", "") == of.name) found = one;
        }
        return found.value("state", "") == "stopped" || !found.value("drift", json()).is_null();
      },
      "handoff status does not know whether the file of " + of.name + " is another");
  return found;
}

// ---- commands

test::Outcome Scene::finish(test::Process& command) {
  require([&] { return !command.running(); }, "a command does not end");
  return command.finish();
}

test::Outcome Scene::command(std::vector<std::string> arguments) {
  return finish(*supervisor.begin(std::move(arguments)));
}

json Scene::upgrade(Tested& what, const std::string& path, const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {"upgrade", "--json", what.name, path};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const test::Outcome outcome = command(arguments);
  const json done = last_line(outcome);
  if (outcome.status != 0) throw Problem{"an upgrade failed: " + outcome.describe()};
  if (done.at("sessions").at("lost") != 0) throw Problem{"an upgrade lost: " + done.dump()};
  ++upgrades_done;
  return done;
}

json last_line(const test::Outcome& outcome) {
  const std::string& out = outcome.out;
  const std::size_t before = out.rfind('\n', out.size() < 2 ? 0 : out.size() - 2);
  json line = json::parse(out.substr(before == std::string::npos ? 0 : before + 1), nullptr, false);
  return line.is_object() ? line : json::object();
}

std::string release_that_runs(const Tested& of, const json& pid) {
  if (!pid.is_number()) return "";
  const std::string bytes = test::read_file("/proc/" + pid.dump() + "/exe");
  for (const int release : {1, 2}) {
    if (!bytes.empty() && bytes == test::read_file(program_of(of.service, release))) {
      return std::to_string(release) + ".0";
    }
  }
  return "";
}

void copy_program(Service service, int release, const std::string& to) {
  fs::copy_file(program_of(service, release), to);
}

}  // namespace chaos
