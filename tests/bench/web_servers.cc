#include "web_servers.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <thread>

#include "sockets.h"
#include "subject.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace bench {
namespace {

using namespace std::chrono_literals;
using test::Deadline;

constexpr const char* kNginx = "/usr/sbin/nginx";
constexpr const char* kHaproxy = "/usr/sbin/haproxy";
// An old worker may stay as long as its connections do, so the bench does not wait longer than
// this.
constexpr auto kLeaves = 5s;

// Waits for another program, whose port and children give no event. Asking a thousand times a
// second leaves the processor to the measured programs.
bool wait_until(const std::function<bool()>& so, Deadline deadline) {
  while (!so()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

std::vector<handoff::UniqueFd> hold_children(pid_t pid) {
  std::vector<handoff::UniqueFd> out;
  for (const pid_t child : test::children_of(pid)) out.push_back(test::hold(child));
  return out;
}

bool wait_ends(const std::vector<handoff::UniqueFd>& processes, Deadline deadline) {
  bool all = true;
  for (const auto& process : processes) all = test::wait_end(process, deadline) && all;
  return all;
}

bool answers(int port) {
  try {
    (void)connect_tcp(port);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

int free_port() {
  int port = 0;
  (void)listen_tcp(port);
  return port;
}

class Handoff final : public WebServer {
 public:
  int port() const override { return subject_.port(); }
  bool upgrade() override {
    subject_.upgrade();
    return true;
  }

 private:
  Subject subject_{"http_service", {}, "http"};
};

// USR2: the old master starts the new program, which gets the listeners; both serve. WINCH: the old
// workers finish what they are at. QUIT: the old master goes.
class Nginx final : public WebServer {
 public:
  Nginx() {
    // nginx daemonizes: as a subreaper this process becomes its parent and can wait for it.
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    configure("1");
    test::Process start({kNginx, "-c", file("nginx.conf")});
    if (start.wait(Deadline::in(10s)) != 0) throw std::runtime_error("nginx: " + start.err());
    wait_until([this] { return pid() > 0 && answers(port_); }, Deadline::in(10s));
    master_ = pid();
    processes_.push_back(test::hold(master_));
  }
  ~Nginx() override {
    for (const handoff::UniqueFd& process : processes_) {
      test::kill_and_wait(process, Deadline::in(5s));
      (void)::waitid(P_PIDFD, static_cast<id_t>(process.get()), nullptr, WEXITED | WNOHANG);
    }
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 0);
  }
  int port() const override { return port_; }
  bool upgrade() override {
    configure("2");
    const std::vector<handoff::UniqueFd> workers = hold_children(master_);
    ::kill(master_, SIGUSR2);
    const auto serves = [this] {
      const pid_t now = pid();
      return now > 0 && now != master_ && !test::children_of(now).empty();
    };
    if (!wait_until(serves, Deadline::in(10s))) throw std::runtime_error("nginx: no new master");
    const pid_t successor = pid();
    processes_.push_back(test::hold(successor));
    for (handoff::UniqueFd& worker : hold_children(successor)) {
      processes_.push_back(std::move(worker));
    }
    ::kill(master_, SIGWINCH);
    const bool left = wait_ends(workers, Deadline::in(kLeaves));
    ::kill(master_, SIGQUIT);
    return left && test::wait_end(processes_.front(), Deadline::in(kLeaves));
  }

 private:
  std::string file(const char* name) const { return folder_ / name; }
  pid_t pid() const {
    pid_t pid = 0;
    std::ifstream(file("nginx.pid")) >> pid;
    return pid;
  }
  void configure(const std::string& version) const {
    std::string temporary;
    for (const char* what : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      temporary += std::string("  ") + what + "_temp_path " + file(what) + ";\n";
    }
    test::write_file(file("nginx.conf"),
                     std::string(::getuid() == 0 ? "user root;\n" : "") +
                         "worker_processes 1;\npid " + file("nginx.pid") + ";\nerror_log " +
                         file("error.log") +
                         ";\nevents { worker_connections 8000; }\nhttp {\n  access_log off;\n"
                         "  keepalive_timeout 600s;\n  keepalive_requests 100000000;\n" +
                         temporary + "  server {\n    listen 127.0.0.1:" + std::to_string(port_) +
                         " backlog=4096;\n    location / { default_type text/plain; return 200 \"" +
                         version + "\"; }\n  }\n}\n");
  }

  test::TempDir folder_;
  int port_ = free_port();
  pid_t master_ = 0;
  std::vector<handoff::UniqueFd> processes_;
};

// USR2 to the master: it starts a new worker, which fetches the listeners from the old one's stats
// socket; the old worker finishes what it is at.
class Haproxy final : public WebServer {
 public:
  Haproxy() {
    configure("1");
    process_ = std::make_unique<test::Process>(
        std::vector<std::string>{kHaproxy, "-W", "-f", file("haproxy.cfg")});
    if (!wait_until([this] { return answers(port_); }, Deadline::in(10s))) {
      throw std::runtime_error("haproxy: " + process_->err());
    }
  }
  ~Haproxy() override {
    const std::vector<handoff::UniqueFd> workers = hold_children(process_->pid());
    process_->signal(SIGTERM);
    process_->wait(Deadline::in(2s));
    for (const handoff::UniqueFd& worker : workers) test::kill_and_wait(worker, Deadline::in(5s));
  }
  int port() const override { return port_; }
  bool upgrade() override {
    configure("2");
    const std::vector<handoff::UniqueFd> workers = hold_children(process_->pid());
    process_->signal(SIGUSR2);
    return wait_ends(workers, Deadline::in(kLeaves)) && !test::children_of(process_->pid()).empty();
  }

 private:
  std::string file(const char* name) const { return folder_ / name; }
  void configure(const std::string& version) const {
    test::write_file(
        file("haproxy.cfg"),
        "global\n  maxconn 8000\n  nbthread 1\n  stats socket " + file("admin.sock") +
            " mode 600 level admin expose-fd listeners\n"
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n"
            "  timeout server 10s\n  timeout http-keep-alive 600s\n"
            "frontend web\n  bind 127.0.0.1:" +
            std::to_string(port_) +
            " backlog 4096\n  http-request return status 200 content-type text/plain string \"" +
            version + "\"\n");
  }

  test::TempDir folder_;
  int port_ = free_port();
  std::unique_ptr<test::Process> process_;
};

template <class Server>
std::unique_ptr<WebServer> make() {
  return std::make_unique<Server>();
}

std::string missing(const char* program) {
  return ::access(program, X_OK) == 0 ? "" : std::string(program) + " is not installed";
}

}  // namespace

std::vector<WebServerKind> web_servers() {
  return {{"handoff", "handoff upgrade", "", make<Handoff>},
          {"nginx", "USR2, WINCH, QUIT", missing(kNginx), make<Nginx>},
          {"haproxy", "reload, expose-fd", missing(kHaproxy), make<Haproxy>}};
}

}  // namespace bench
