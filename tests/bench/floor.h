// The floor: what the kernel charges for passing sockets and state, without any protocol.
//
// Two processes have a SEQPACKET socket between them, over which a message carries at most 253 fds.
// The sender gathers the states of its sessions from where they lie. In the end the receiver has
// them in its own memory, and every socket in an epoll set. The sender measures from before the
// first message to the receiver's one-byte answer, which follows its last epoll_ctl(2).
#pragma once

#include <cstddef>
#include <vector>

#include "herd.h"
#include "partner.h"

namespace bench {

// How state travels: in the messages, as much as fits; or in a memfd for each message. Creating,
// writing, mapping and reading the memfd is part of the measured time.
enum class Carrier { kInline, kMemfd };

class Floor {
 public:
  // The sessions are connections of these clients.
  Floor(std::size_t sessions, std::size_t state_bytes, Herd& clients);
  // Passes all sessions to a new process, which then ends. Returns microseconds.
  double run(Carrier carrier);

 private:
  std::size_t sessions_;
  std::size_t state_bytes_;
  Partner sender_;
};

int floor_sender();
int floor_receiver();

}  // namespace bench
