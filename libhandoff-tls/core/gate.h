// Whether this process may seal and open at all. One word for all sessions of a context.
//
// One nonce used twice gives away what both records say, and with GCM the key of the tag, too. A
// session exists in two processes while it is copied. So its object is inert until its process owns
// the sessions, and again from the freeze on. The switch changes one word, not one for each
// session.
#pragma once

#include <atomic>
#include <cstdint>

namespace handoff::tls {

// 0 is what a wiped page says (MADV_WIPEONFORK): a forked child's sessions are inert.
enum class Gate : std::uint8_t {
  kInert = 0,   // an heir that does not own yet, or a child of the owner
  kOwner = 1,   // this process reads and writes the sockets
  kFrozen = 2,  // a donor in the freeze, and after it
};

class GateWord {
 public:
  bool open() const { return word_.load(std::memory_order_acquire) == Gate::kOwner; }
  Gate is() const { return word_.load(std::memory_order_acquire); }
  // Each gives false, and changes nothing, in a state that it does not begin in.
  bool own() { return turn(Gate::kInert, Gate::kOwner); }
  bool freeze() { return turn(Gate::kOwner, Gate::kFrozen); }
  bool thaw() { return turn(Gate::kFrozen, Gate::kOwner); }

 private:
  bool turn(Gate from, Gate to) {
    return word_.compare_exchange_strong(from, to, std::memory_order_acq_rel);
  }
  std::atomic<Gate> word_{Gate::kInert};
};

}  // namespace handoff::tls
