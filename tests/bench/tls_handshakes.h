// Clients that shake hands with a TLS service, and leave: OpenSSL's, by TLS 1.3, in a process of
// their own. Each waits for a ticket, so that the service has ended its part of the handshake, too.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "partner.h"

namespace bench {

class Handshakes {
 public:
  explicit Handshakes(int cpu) : process_("handshakes", cpu) {}

  // Keeps so many under way from now on. resume: each by the ticket of one that comes before all.
  void begin(int port, std::size_t under_way, bool resume);
  // How many are over since then. Throws if one has failed, or was not resumed.
  std::uint64_t count();
  void stop();
  pid_t pid() const { return process_.pid(); }

 private:
  Partner process_;
};

int handshakes();

}  // namespace bench
