// Whose the sessions are, as a word in memory that donor and heir share. It is taken once, by an
// atomic compare-and-exchange: who takes it may touch the sockets, who comes too late never does
// again. Neither has to know whether the other lives, hangs, or is about to say something.
//
// A sealed memfd of one page, mapped by both: the donor makes it before it freezes, and it goes
// over with Prepare. What was taken stays taken when its owner dies, for as long as either has it
// mapped.
#pragma once

#include <cstdint>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class OwnershipWord {
 public:
  enum class Party : std::uint32_t { kDonor = 1, kHeir = 2 };  // in the word; 0 is nobody

  static Result<OwnershipWord> make();
  // What a peer says is one; checks the seals and the size. Borrows fd.
  static Result<OwnershipWord> map(int fd);

  // To be sent; only of one that was made here.
  int fd() const { return fd_.get(); }
  // Whether the sessions are this party's: now, and if it asks again.
  bool claim(Party party);

 private:
  UniqueFd fd_;
  Mapping mapping_;
};

}  // namespace handoff::io
