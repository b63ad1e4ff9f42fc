// A program that a test runs: redis-cli, redis-benchmark, the server itself.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace kv::test {

class Process {
 public:
  // Its output and errors go to a file that output() reads. environment: NAME=VALUE, added to ours.
  explicit Process(const std::vector<std::string>& command,
                   const std::vector<std::string>& environment = {});
  ~Process();  // ends it
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number) const;
  // Waits for its end: the exit status, or 128 and the signal.
  int wait();
  std::string output() const;

 private:
  void reap(int options);
  pid_t pid_ = -1;
  int output_ = -1;
  int status_ = -1;  // not ended
};

// Runs a program to its end; fails the test if it fails. Its output.
std::string run(const std::vector<std::string>& command,
                const std::vector<std::string>& environment = {});

}  // namespace kv::test
