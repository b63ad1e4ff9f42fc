#include "supervision.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>
#include <utility>

#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/programs.h"

namespace chaos {
namespace {

std::string proc(pid_t pid, const char* what) {
  return test::read_file("/proc/" + std::to_string(pid) + "/" + what);
}

// Ends everything below this process. Orphans become children of a subreaper, so none is missed.
void end_all_children() {
  for (int round = 0; round < 100; ++round) {
    const auto children = test::children_of(::getpid());
    if (children.empty()) return;
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  }
}

}  // namespace

Supervision::~Supervision() {
  supervisor_.kill();
  end_all_children();
}

void Supervision::start(const std::string& failpoints) {
  const std::string service(example(service_));
  std::vector<std::string> arguments = {"--name",
                                        service,
                                        "--listen",
                                        "public=tcp:127.0.0.1:0",
                                        "--freeze-budget",
                                        "250ms",
                                        "--drain",
                                        "2s",
                                        "--",
                                        test::program("handoff-" + service + "-1")};
  if (certificate_) {
    const std::vector<std::string> options = certificate_->options();
    arguments.insert(arguments.end(), options.begin(), options.end());
  }
  supervisor_.run(std::move(arguments),
                  {{"HANDOFF_STATE_DIR", path("state")}, {"HANDOFF_FAILPOINT", failpoints}});
  started_.insert(pid());
}

void Supervision::start_with_vault() {
  const std::string service(example(service_));
  supervisor_.start({.command = {test::program("handoff-" + service + "-1")},
                     .name = service,
                     .environment = {{"HANDOFF_STATE_DIR", path("state")}},
                     .config = "vault = true\nvault_max_recoveries = \"100/s\"\n"});
  started_.insert(pid());
}

std::unique_ptr<test::Process> Supervision::command(std::vector<std::string> arguments) {
  auto process = supervisor_.begin(std::move(arguments));
  started_.insert(process->pid());
  return process;
}

std::unique_ptr<test::Process> Supervision::upgrade(int release) {
  const std::string service(example(service_));
  // Of this handoff alone: how long a process on probation may be silent is longer than a blow.
  return command({"upgrade", "--json", "--stall-timeout", "500ms", service,
                  test::program("handoff-" + service + "-" + std::to_string(release))});
}

std::vector<pid_t> Supervision::services() const {
  std::vector<pid_t> out;
  for (const pid_t parent : {pid(), ::getpid()}) {
    for (const pid_t child : test::children_of(parent)) {
      if (is_running(child) && !started_.contains(child)) out.push_back(child);
    }
  }
  return out;
}

bool is_running(pid_t pid) {
  const char state = test::process_state(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

bool can_act(pid_t pid) {
  constexpr unsigned long kKill = 1UL << (SIGKILL - 1);
  constexpr unsigned long kGoing = 0x404;  // PF_EXITING and PF_SIGNALED, in "flags" of proc(5)
  if (!is_running(pid)) return false;
  // A pending SIGKILL is looked for first: once the process has taken it, the flags show that it
  // exits.
  std::istringstream status(proc(pid, "status"));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    if ((std::stoul(line.substr(7), nullptr, 16) & kKill) != 0) return false;
  }
  const std::string stat = proc(pid, "stat");
  std::istringstream after(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  char state = '\0';
  long parent = 0, group = 0, session = 0, terminal = 0, foreground = 0;
  unsigned long flags = 0;
  after >> state >> parent >> group >> session >> terminal >> foreground >> flags;
  return after && state != 'Z' && state != 'X' && (flags & kGoing) == 0;
}

long generation_of(pid_t pid) {
  const std::string name = "HANDOFF_GENERATION=";
  const auto environment = test::environment_of(pid);
  const auto found = environment.lower_bound(name);
  if (found == environment.end() || !found->starts_with(name)) return 0;
  return std::stol(found->substr(name.size()));
}

std::map<std::string, int> kinds_of_files(pid_t pid) {
  std::map<std::string, int> out;
  for (const std::string& file : test::open_files(pid)) {
    const bool numbered = file.starts_with("socket:") || file.starts_with("pipe:");
    // Each supervisor has files of its own for what its services write.
    const bool output = file.find("/handoff-output-") != std::string::npos;
    ++out[numbered ? file.substr(0, file.find(':')) : output ? "output" : file];
  }
  return out;
}

std::string describe(const std::map<std::string, int>& kinds) {
  std::string out;
  for (const auto& [kind, count] : kinds) {
    out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + kind;
  }
  return out;
}

}  // namespace chaos
