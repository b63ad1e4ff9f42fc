// Clients of kv that write, in a process of their own: SETs of random keys at a given rate, over
// connections that take turns. Nobody waits for an answer before the next one is sent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "partner.h"

namespace bench {

struct Keys {
  std::size_t count = 0;
  std::size_t value_bytes = 0;
};

class Writers {
 public:
  Writers(int port, std::size_t connections, const Keys& keys);

  // Each key once. Returns when all are answered.
  void fill();
  void begin(double per_second);
  // How many were answered since begin(). Throws if one was not, or not with OK.
  std::uint64_t stop();

 private:
  Partner process_{"writers"};
};

int writers();

}  // namespace bench
