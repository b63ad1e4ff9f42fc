#include "support/supervisor/supervisor.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/process/proc.h"
#include "support/process/programs.h"
#include "support/supervisor/question.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// The time that services get to drain, before all processes are ended at once.
constexpr auto kDrainWithin = 3s;
// A test asks again after each line of the log, since each change of state, exit and end of a
// handoff is a line. Some things change without a line, such as a count of sessions: for those it
// asks again after this long.
constexpr auto kUntold = 10ms;

void append(std::vector<std::string>& to, const std::vector<std::string>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Holds all processes that were executed with that variable, also those with another parent by now.
std::vector<UniqueFd> processes_with(const std::string& variable) {
  std::vector<UniqueFd> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
    UniqueFd process = hold(std::stoi(name));  // held first, so that the pid keeps its meaning
    if (environment_of(std::stoi(name)).contains(variable)) out.push_back(std::move(process));
  }
  return out;
}

// A child that a dead supervisor had just forked has its lock, too, until the child executes its
// program. The next supervisor does not wait for a lock, so the test does.
void wait_until_unlocked(const std::string& runtime) {
  const std::string path = runtime + "/lock";
  const UniqueFd lock(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.valid() || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return;
  const Outcome waited = test::run({"/usr/bin/flock", "--timeout", "30", path, "/bin/true"});
  if (waited.status != 0) throw std::runtime_error(path + " stays locked: " + waited.describe());
}

// The services of the status; null if nobody answers.
json ask_services(const std::string& runtime) {
  const Deadline deadline = Deadline::patience();
  Question question(runtime);
  for (;;) {
    if (auto services = question.services()) return std::move(*services);
    if (!readable(question.fd(), deadline)) {
      throw std::runtime_error("the supervisor does not answer");
    }
  }
}

}  // namespace

// ---- its life

void Supervisor::run(std::vector<std::string> arguments, Environment environment) {
  environment_ = std::move(environment);
  Environment all = this->environment();
  for (const auto& [name, value] : environment_) all[name] = value;
  std::vector<std::string> command = options_.wrapper;
  append(command, {program("handoff"), "run"});
  append(command, arguments);
  if (process_) {
    if (process_->running()) throw std::logic_error("the supervisor runs already");
    dead_.push_back(std::move(process_));
    wait_until_unlocked(runtime());
  }
  process_ = std::make_unique<Process>(command, all);
}

void Supervisor::start(Options options) {
  options_ = std::move(options);
  start_again();
}

void Supervisor::start_again() { start_again_until("running"); }

void Supervisor::start_again_until(const std::string& state) {
  run(run_arguments(), options_.environment);
  wait_until_all_are(state);
}

void Supervisor::start_again(Environment environment) {
  options_.environment = std::move(environment);
  start_again();
}

// Every change of a service's state is a line in the log.
void Supervisor::wait_until_all_are(const std::string& state) const {
  const Deadline deadline = Deadline::patience();
  while (process_->running()) {
    const std::size_t said = process_->written();
    const json services = ask_services(runtime());
    const auto is_in_it = [&](const json& service) { return service.value("state", "") == state; };
    if (!services.empty() && std::all_of(services.begin(), services.end(), is_in_it)) return;
    if (!process_->wait_for_more(said, deadline) && deadline.passed()) break;
  }
  throw std::runtime_error("the supervisor did not come up:\n" + log());
}

void Supervisor::kill() {
  if (process_) process_->kill();
}

Outcome Supervisor::terminate() {
  process_->signal(SIGTERM);
  return process_->finish();
}

// A destructor can't throw, so a supervisor that does not end aborts the test.
Supervisor::~Supervisor() {
  if (!process_) return;
  bool ended = true;
  if (process_->running()) {
    process_->signal(SIGTERM);
    if (!process_->wait(Deadline::in(kDrainWithin)))
      process_->signal(SIGTERM);  // once more: at once
    ended = process_->wait(Deadline::patience()).has_value();
    if (!ended) process_->kill();
  }
  for (const std::string& theirs :
       {"HANDOFF_RUNTIME_DIR=" + runtime(), "HANDOFF_RETURN=" + runtime() + "/services.sock"}) {
    for (const UniqueFd& process : processes_with(theirs)) kill_and_wait(process);
  }
  if (ended) return;
  std::fprintf(stderr, "the supervisor did not end:\n%s\n", log().c_str());
  std::abort();
}

std::vector<std::string> Supervisor::run_arguments() const {
  std::vector<std::string> out;
  if (!options_.file.empty()) {
    out = {"--config", options_.file};
  } else if (!options_.config.empty()) {
    std::string text = "[service." + options_.name +
                       "]\ncommand = " + json(options_.command).dump() + "\nlisten = {";
    const char* before = " ";
    for (const std::string& listener : options_.listeners) {
      const std::size_t equals = listener.find('=');
      text += before + listener.substr(0, equals) + " = \"" + listener.substr(equals + 1) + '"';
      before = ", ";
    }
    write_file(dir_ / "handoff.toml", text + " }\n" + options_.config);
    out = {"--config", dir_ / "handoff.toml"};
  } else {
    out = {"--name", options_.name};
    for (const std::string& listener : options_.listeners) append(out, {"--listen", listener});
  }
  append(out, options_.run_flags);
  if (options_.file.empty() && options_.config.empty()) {
    out.emplace_back("--");
    append(out, options_.command);
  }
  return out;
}

Environment Supervisor::environment() const {
  Environment out{{"HANDOFF_RUNTIME_DIR", dir_ / "run"}};
  for (const char* name : {"HANDOFF_RUNTIME_DIR", "HANDOFF_STATE_DIR"}) {
    if (const auto own = environment_.find(name); own != environment_.end())
      out[name] = own->second;
  }
  return out;
}

std::string Supervisor::log() const {
  std::string out;
  for (const auto& process : dead_) out += process->out() + process->err();
  return process_ ? out + process_->out() + process_->err() : out;
}

// ---- commands

std::unique_ptr<Process> Supervisor::begin(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("handoff"));
  return std::make_unique<Process>(arguments, environment());
}

Supervisor::Outcome Supervisor::command(std::vector<std::string> arguments) const {
  return {begin(std::move(arguments))->finish()};
}

Supervisor::Outcome Supervisor::hand_over(const char* command, std::vector<std::string> positional,
                                          const std::vector<std::string>& arguments,
                                          const std::vector<std::string>& flags) const {
  std::vector<std::string> all = {command, "--json"};
  append(all, flags);
  append(all, positional);
  if (!arguments.empty()) all.emplace_back("--");
  append(all, arguments);
  Outcome outcome = this->command(std::move(all));
  const auto lines = std::count(outcome.out.begin(), outcome.out.end(), '\n');
  if (outcome.done().is_null() || static_cast<std::size_t>(lines) != outcome.events().size()) {
    throw std::runtime_error(std::string("handoff ") + command +
                             " --json must end with its last event: " + outcome.describe());
  }
  return outcome;
}

Supervisor::Outcome Supervisor::upgrade(const std::string& binary,
                                        const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& flags) const {
  return hand_over("upgrade", {name(), binary}, arguments, flags);
}

Supervisor::Outcome Supervisor::plan(const std::string& binary,
                                     const std::vector<std::string>& arguments,
                                     const std::vector<std::string>& flags) const {
  return hand_over("plan", {name(), binary}, arguments, flags);
}

Supervisor::Outcome Supervisor::upgrade_with(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& flags) const {
  return hand_over("upgrade", {name()}, arguments, flags);
}

std::vector<json> Supervisor::Outcome::events() const {
  std::vector<json> events;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    json event = json::parse(line, nullptr, false);
    if (!event.is_discarded()) events.push_back(std::move(event));
  }
  return events;
}

json Supervisor::Outcome::done() const {
  const auto all = events();
  if (all.empty() || !all.back().is_object() || all.back().value("event", "") != "done") return {};
  return all.back();
}

std::vector<json> Supervisor::history(const std::string& event) const {
  const Outcome outcome = command({"history", "--json"});
  if (outcome.status != 0) throw std::runtime_error("handoff history: " + outcome.describe());
  std::vector<json> records = outcome.events();
  if (!event.empty()) {
    std::erase_if(records, [&](const json& record) { return record.value("event", "") != event; });
  }
  return records;
}

// ---- the status

json Supervisor::status(const std::string& service) const {
  const json services = ask_services(runtime());
  for (const json& one : services) {
    if (service.empty() || one.value("name", "") == service) return one;
  }
  return {};
}

json Supervisor::wait_for_status(const std::function<bool(const json&)>& so,
                                 const std::string& service, Deadline deadline) const {
  for (;;) {
    const std::size_t said = process_->written();
    json now = status(service);
    if (!now.is_null() && so(now)) return now;
    if (deadline.passed() || !process_->running()) {
      throw std::runtime_error("it has never become so: " + now.dump(2) + "\n" + log());
    }
    process_->wait_for_more(said, Deadline::in(kUntold));
  }
}

void Supervisor::wait_for_state(const std::string& state, const std::string& service) const {
  wait_for_status([&](const json& now) { return now.at("state") == state; }, service);
}

bool Supervisor::eventually(const std::function<bool()>& so, Deadline deadline) const {
  for (;;) {
    const std::size_t said = process_->written();
    if (so()) return true;
    if (deadline.passed() || !process_->running()) return false;
    ask_services(runtime());
    if (so()) return true;
    process_->wait_for_more(said, Deadline::in(kUntold));
  }
}

void Supervisor::settle() const {
  wait_for_status(
      [](const json& now) { return now.at("leaving").empty() && !now.at("kept").is_null(); });
}

std::multiset<std::string> Supervisor::files() const { return open_files(pid()); }

// The supervisor answers in order, so it answers settle()'s last question after it has closed what
// earlier commands had open. A thread may look at the processes of the host at any time.
std::multiset<std::string> Supervisor::settled_files() const {
  settle();
  std::multiset<std::string> out = files();
  std::erase_if(out, [](const std::string& file) { return file.starts_with("/proc"); });
  return out;
}

int Supervisor::port(const std::string& listener) const {
  const json service = status();
  for (const json& entry : service.at("listeners")) {
    if (entry.at("name") != listener) continue;
    const std::string address = entry.at("address");
    return std::stoi(address.substr(address.rfind(':') + 1));
  }
  throw std::runtime_error("the service has no listener " + listener);
}

pid_t Supervisor::service_pid() const { return status().at("pid").get<pid_t>(); }

}  // namespace handoff::test
