// Child processes of a test: run to their end with what they print, or kept and watched.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace handoff::test::supervised {

using namespace std::chrono_literals;
using Environment = std::map<std::string, std::string>;  // over the test's own; "" removes

struct Outcome {
  int status = -1;  // the exit status, or 128 + signal
  std::string out;
  std::string err;
};

// A process that the test ends, at the latest in the destructor (SIGKILL).
class Child {
 public:
  // Its output goes to files that begin with that path: PREFIX.out and PREFIX.err.
  Child(const std::vector<std::string>& argv, const Environment& environment,
        const std::string& prefix);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Its end, within that time; fails the test and kills it otherwise.
  Outcome wait(std::chrono::milliseconds limit = 20s);
  std::string out() const;
  std::string err() const;

 private:
  pid_t pid_ = -1;
  std::string prefix_;
};

// Asks again and again until it is so; false after that time.
bool eventually(const std::function<bool()>& so, std::chrono::milliseconds limit = 10s);

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text, mode_t mode = 0644);

// A new folder under /tmp, removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace handoff::test::supervised
