#include "supervisor.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "proc.h"
#include "programs.h"

namespace test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kPatience = 60s;

void collect_descendants(pid_t pid, std::vector<handoff::UniqueFd>& into) {
  for (const pid_t child : children_of(pid)) {
    into.push_back(hold(child));
    collect_descendants(child, into);
  }
}

}  // namespace

Supervisor::Supervisor(Options options)
    : options_(std::move(options)),
      process_(std::make_unique<Process>(run_command(options_), run_environment())) {
  wait_until_running();
}

std::map<std::string, std::string> Supervisor::run_environment() const {
  auto out = environment();
  for (const auto& [name, value] : options_.environment) out[name] = value;
  return out;
}

void Supervisor::kill() {
  collect_descendants(process_->pid(), orphans_);
  process_->signal(SIGKILL);
  process_->wait(Deadline::in(10s));
  dead_.push_back(std::move(process_));
}

void Supervisor::start_again() { start_again(options_.environment); }

void Supervisor::start_again(std::map<std::string, std::string> environment,
                             std::vector<std::string> wrapper) {
  options_.environment = std::move(environment);
  const std::vector<std::string> run = run_command(options_);
  wrapper.insert(wrapper.end(), run.begin(), run.end());
  process_ = std::make_unique<Process>(wrapper, run_environment());
  wait_until_running();
}

Supervisor::~Supervisor() {
  if (process_) {
    collect_descendants(process_->pid(), orphans_);
    process_->signal(SIGTERM);
    if (!process_->wait(Deadline::in(10s)).has_value()) {
      process_->signal(SIGKILL);
      process_->wait(Deadline::in(10s));
    }
  }
  for (const auto& service : orphans_) kill_and_wait(service, Deadline::in(10s));
}

std::vector<std::string> Supervisor::run_command(const Options& options) const {
  if (!options.config.empty()) {
    const std::string path = (runtime_dir_.path() / "handoff.toml").string();
    std::ofstream file(path);
    file << "[service." << options.name << "]\ncommand = " << nlohmann::json(options.command).dump()
         << "\nlisten = {";
    const char* before = " ";
    for (const std::string& listener : options.listeners) {
      const std::size_t equals = listener.find('=');
      file << before << listener.substr(0, equals) << " = \"" << listener.substr(equals + 1) << '"';
      before = ", ";
    }
    file << " }\n" << options.config;
    return {program("handoff"), "run", "--config", path};
  }
  std::vector<std::string> out = {program("handoff"), "run", "--name", options.name};
  for (const std::string& listener : options.listeners) {
    out.insert(out.end(), {"--listen", listener});
  }
  out.insert(out.end(), options.run_flags.begin(), options.run_flags.end());
  out.push_back("--");
  out.insert(out.end(), options.command.begin(), options.command.end());
  return out;
}

std::map<std::string, std::string> Supervisor::environment() const {
  return {{"HANDOFF_RUNTIME_DIR", runtime_dir_.path().string()}};
}

// There is nothing to be told by when it is up: asking is the interface that operators have.
void Supervisor::wait_until_running() {
  const Deadline deadline = Deadline::in(kPatience);
  while (!deadline.passed()) {
    if (!process_->running()) break;
    const json service = status();
    if (service.is_object() && service.value("state", "") == "running") return;
    std::this_thread::sleep_for(10ms);
  }
  throw std::runtime_error("the supervisor did not come up:\n" + process_->out() + process_->err());
}

Supervisor::Outcome Supervisor::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("handoff"));
  Process cli(arguments, environment());
  Outcome outcome;
  const auto status = cli.wait(Deadline::in(kPatience));
  if (!status) throw std::runtime_error("handoff " + arguments.at(1) + " did not end");
  cli.wait_output_end(Deadline::in(kPatience));
  outcome.status = *status;
  outcome.out = cli.out();
  outcome.err = cli.err();
  std::size_t begin = 0;
  while (begin < outcome.out.size()) {
    const std::size_t end = std::min(outcome.out.find('\n', begin), outcome.out.size());
    json line = json::parse(outcome.out.begin() + static_cast<std::ptrdiff_t>(begin),
                            outcome.out.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_discarded()) outcome.events.push_back(std::move(line));
    begin = end + 1;
  }
  return outcome;
}

Supervisor::Outcome Supervisor::upgrade(const std::string& binary,
                                        const std::vector<std::string>& arguments,
                                        const std::vector<std::string>& flags) const {
  return try_or_do("upgrade", binary, arguments, flags);
}

Supervisor::Outcome Supervisor::plan(const std::string& binary,
                                     const std::vector<std::string>& arguments,
                                     const std::vector<std::string>& flags) const {
  return try_or_do("plan", binary, arguments, flags);
}

Supervisor::Outcome Supervisor::try_or_do(const char* what, const std::string& binary,
                                          const std::vector<std::string>& arguments,
                                          const std::vector<std::string>& flags) const {
  std::vector<std::string> all = {what, "--json"};
  all.insert(all.end(), flags.begin(), flags.end());
  all.insert(all.end(), {options_.name, binary});
  if (!arguments.empty()) all.push_back("--");
  all.insert(all.end(), arguments.begin(), arguments.end());
  return command(std::move(all));
}

json Supervisor::status() const {
  const Outcome outcome = command({"status", "--json"});
  if (outcome.events.empty()) return {};
  for (const json& service : outcome.events.back().value("services", json::array())) {
    if (service.value("name", "") == options_.name) return service;
  }
  return {};
}

json Supervisor::wait_for_status(const std::function<bool(const json&)>& so,
                                 Deadline deadline) const {
  while (true) {
    json now = status();
    if (!now.is_null() && so(now)) return now;
    if (deadline.passed()) throw std::runtime_error("it has never become so: " + now.dump(2));
  }
}

void Supervisor::settle() const {
  wait_for_status([](const json& now) { return now.at("leaving").empty(); });
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

json Supervisor::Outcome::done() const {
  if (events.empty() || events.back().value("event", "") != "done") return {};
  return events.back();
}

std::string Supervisor::Outcome::describe() const {
  return "exit status " + std::to_string(status) + "\n" + out + err;
}

}  // namespace test
