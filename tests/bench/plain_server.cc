#include "plain_server.h"

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <system_error>

#include "sockets.h"
#include "support/process/deadline.h"
#include "support/process/programs.h"

namespace bench {
namespace {

int free_port() {
  int port = 0;
  (void)listen_tcp(port);
  return port;
}

std::vector<std::string> command(const std::string& program, std::vector<std::string> arguments,
                                 int port) {
  for (std::string& argument : arguments) {
    const std::size_t at = argument.find("PORT");
    if (at != std::string::npos) argument.replace(at, 4, std::to_string(port));
  }
  arguments.insert(arguments.begin(), test::program(program));
  return arguments;
}

void wait_for_port(int port, const std::string& program) {
  for (const auto deadline = test::Deadline::in(std::chrono::seconds(10)); !deadline.passed();) {
    try {
      (void)connect_tcp(port);
      return;
    } catch (const std::system_error&) {  // refused: the server does not listen yet, so ask again
    }
  }
  throw std::runtime_error(program + " did not come up");
}

}  // namespace

int load_cpu() { return ::sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : kServerCpu; }

void pin(pid_t pid, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  (void)::sched_setaffinity(pid, sizeof set, &set);
}

PlainServer::PlainServer(const std::string& program, std::vector<std::string> arguments)
    : port_(free_port()), process_(command(program, std::move(arguments), port_)) {
  wait_for_port(port_, program);
  pin(process_.pid(), kServerCpu);
}

}  // namespace bench
