// The clients of a bench: a process with thousands of connections, which asks and waits for
// answers.
//
// A request is a line of 64 bytes, an answer whatever comes up to the next '\n'; a connection has
// at most one under way. Under load every request is a sample: when it was sent, when it was
// answered.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "partner.h"

namespace bench {

struct Sample {
  std::uint64_t sent_ns = 0;
  std::uint64_t answered_ns = 0;  // 0: it was not
};

class Herd {
 public:
  explicit Herd(int cpu = -1) : process_("herd", cpu) {}

  void connect(int port, std::size_t connections);
  // One request on every connection; returns when all are answered, throws if one is not.
  void ask_each();
  // So many requests a second, each on another connection, whether those before are answered or
  // not.
  void load_at_rate(double per_second);
  // So many requests under way at any time. Each is followed by one on the same connection (stay)
  // or on another.
  void load_with(std::size_t under_way, bool stay);
  std::vector<Sample> stop();
  pid_t pid() const { return process_.pid(); }

 private:
  Partner process_;
};

int herd();

}  // namespace bench
