// The clients of a bench: a process with thousands of connections, which asks and waits for
// answers.
//
// A request is a line, an answer everything up to the next '\n'. A connection has at most one
// request under way. Under load every request is a sample: when it was sent, when it was answered.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "partner.h"

namespace bench {

struct Sample {
  std::uint64_t sent_ns = 0;
  std::uint64_t answered_ns = 0;  // 0: not answered
};

// What the connections of a herd are like, and what they ask.
struct Ask {
  bool tls = false;        // they have shaken hands (tls_client.h)
  char kind = 'x';         // of which all of a request consists; see tls_requests.h
  std::size_t bytes = 64;  // of a request, with the end of its line
};

class Herd {
 public:
  explicit Herd(int cpu = -1) : process_("herd", cpu) {}

  // All connections of a herd ask the same.
  void connect(int port, std::size_t connections, const Ask& ask = {});
  // One request on every connection; returns when all are answered, throws if one is not.
  void ask_each();
  // Asks so many times a second, each time on another connection, without waiting for answers.
  void load_at_rate(double per_second);
  // Keeps so many requests under way. Each answer is followed by a request on that connection
  // (stay), or on another.
  void load_with(std::size_t under_way, bool stay);
  std::vector<Sample> stop();
  pid_t pid() const { return process_.pid(); }

 private:
  Partner process_;
};

int herd();

}  // namespace bench
