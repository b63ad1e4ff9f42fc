// The floor: what the kernel charges for passing sockets and state, without any protocol.
//
// Two processes, a SEQPACKET socket between them, 253 fds a message at most. The sender gathers the
// states of its sessions straight from where they lie; the receiver has them in memory of its own
// in the end, and every socket in an epoll set. Time runs in the sender: from before the first
// message to the receiver's one-byte answer, which follows its last epoll_ctl(2).
#pragma once

#include <cstddef>
#include <vector>

#include "herd.h"
#include "partner.h"

namespace bench {

// How state travels: in the messages, as much as fits; or in a memfd for each message, whose
// creation, writing, mapping and reading is all part of it.
enum class Carrier { kInline, kMemfd };

class Floor {
 public:
  // The sessions are connections of these clients.
  Floor(std::size_t sessions, std::size_t state_bytes, Herd& clients);
  // Passes all of them to a new process, which then ends. Microseconds.
  double run(Carrier carrier);

 private:
  std::size_t sessions_;
  std::size_t state_bytes_;
  Partner sender_;
};

int floor_sender();
int floor_receiver();

}  // namespace bench
