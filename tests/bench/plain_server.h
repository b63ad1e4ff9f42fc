// Servers and loads that a bench compares, each on a core of its own where there are two.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "support/process/process.h"

namespace bench {

namespace test = handoff::test;

inline constexpr int kServerCpu = 0;
int load_cpu();
// On a machine with one core there is no choice, and nothing is said.
void pin(pid_t pid, int cpu);

// A server without handoff, which nobody supervises, on a port of 127.0.0.1 that was free.
class PlainServer {
 public:
  // A program of this build; in its arguments PORT stands for the port. Returns when it listens,
  // and throws if it does not.
  explicit PlainServer(const std::string& program, std::vector<std::string> arguments = {"PORT"});
  int port() const { return port_; }
  pid_t pid() const { return process_.pid(); }

 private:
  int port_;
  test::Process process_;
};

}  // namespace bench
