#include "supervision.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "proc.h"
#include "programs.h"

namespace chaos {
namespace {

using nlohmann::json;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string proc(pid_t pid, const char* what) {
  return "/proc/" + std::to_string(pid) + "/" + what;
}

// Everything below this process: a subreaper has no other children than those that it started.
void end_all_children() {
  for (int round = 0; round < 100; ++round) {
    const auto children = test::children_of(::getpid());
    if (children.empty()) return;
    for (const pid_t child : children) ::kill(child, SIGKILL);
    for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  }
}

}  // namespace

Supervision::Supervision(Service service) : service_(service) {}

Supervision::~Supervision() {
  if (process_ && process_->running()) {
    process_->signal(SIGKILL);
    process_->wait(test::Deadline::in(std::chrono::seconds(10)));
  }
  end_all_children();
}

std::map<std::string, std::string> Supervision::environment() const {
  return {{"HANDOFF_RUNTIME_DIR", runtime()},
          {"HANDOFF_STATE_DIR", path("state")},
          {"HANDOFF_FAILPOINT", ""}};
}

void Supervision::start(const std::string& failpoints) {
  auto variables = environment();
  variables["HANDOFF_FAILPOINT"] = failpoints;
  const std::string service(name(service_));
  if (process_) log_of_the_dead_ = log();
  process_ = std::make_unique<test::Process>(
      std::vector<std::string>{test::program("handoff"), "run", "--name", service, "--listen",
                               "public=tcp:127.0.0.1:0", "--stall-timeout", "500ms",
                               "--freeze-budget", "250ms", "--drain", "2s", "--",
                               test::program("handoff-" + service + "-1")},
      variables);
  started_.insert(process_->pid());
}

std::unique_ptr<test::Process> Supervision::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), test::program("handoff"));
  auto process = std::make_unique<test::Process>(arguments, environment());
  started_.insert(process->pid());
  return process;
}

std::unique_ptr<test::Process> Supervision::upgrade(int release) const {
  const std::string service(name(service_));
  return command({"upgrade", "--json", service,
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

Supervision::Question::Question(const std::string& runtime)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = runtime + "/control.sock";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const std::string_view request = "{\"command\":\"status\"}\n";
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    fd_.reset();
  }
}

std::optional<json> Supervision::Question::reply() {
  while (fd_.valid()) {
    std::array<char, 16384> chunk;
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (n <= 0) break;
    text_.append(chunk.data(), static_cast<std::size_t>(n));
    if (text_.find('\n') == std::string::npos) continue;
    const json all = json::parse(text_, nullptr, false);
    if (!all.is_object() || !all.contains("services") || all["services"].empty()) break;
    return all["services"][0];
  }
  return json::object();
}

char process_state(pid_t pid) {
  const std::string stat = slurp(proc(pid, "stat"));
  const std::size_t end = stat.rfind(')');
  return end == std::string::npos || end + 2 >= stat.size() ? '\0' : stat[end + 2];
}

bool is_running(pid_t pid) {
  const char state = process_state(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

bool can_act(pid_t pid) {
  constexpr unsigned long kKill = 1UL << (SIGKILL - 1);
  constexpr unsigned long kGoing = 0x404;  // PF_EXITING and PF_SIGNALED, in "flags" of proc(5)
  if (!is_running(pid)) return false;
  // First what is to come: once it is taken, the flags say so.
  std::istringstream status(slurp(proc(pid, "status")));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("SigPnd:") && !line.starts_with("ShdPnd:")) continue;
    if ((std::stoul(line.substr(7), nullptr, 16) & kKill) != 0) return false;
  }
  const std::string stat = slurp(proc(pid, "stat"));
  std::istringstream after(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  char state = '\0';
  long parent = 0, group = 0, session = 0, terminal = 0, foreground = 0;
  unsigned long flags = 0;
  after >> state >> parent >> group >> session >> terminal >> foreground >> flags;
  return after && state != 'Z' && state != 'X' && (flags & kGoing) == 0;
}

long generation_of(pid_t pid) {
  const std::string all = slurp(proc(pid, "environ"));
  const std::string_view name = "HANDOFF_GENERATION=";
  for (std::size_t at = 0; at < all.size(); at = all.find('\0', at) + 1) {
    if (all.compare(at, name.size(), name) == 0) {
      return std::strtol(all.c_str() + at + name.size(), nullptr, 10);
    }
    if (all.find('\0', at) == std::string::npos) break;
  }
  return 0;
}

long resident_kb(pid_t pid) {
  long size = 0, resident = 0;
  std::ifstream(proc(pid, "statm")) >> size >> resident;
  return resident * (::sysconf(_SC_PAGESIZE) / 1024);
}

std::map<std::string, int> kinds_of_files(pid_t pid) {
  std::map<std::string, int> out;
  for (const std::string& file : test::open_files(pid)) {
    const bool numbered = file.starts_with("socket:") || file.starts_with("pipe:");
    ++out[numbered ? file.substr(0, file.find(':')) : file];
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
