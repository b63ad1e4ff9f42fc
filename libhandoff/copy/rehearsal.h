// What one side of a rehearsal finds out: what its code refuses, how long its work takes, what it
// weighs. A refusal that would end a handoff is noted here, and the rehearsal goes on: who plans an
// upgrade wants to know all that stands in its way.
#pragma once

#include <cstdint>
#include <string>

#include "libhandoff/base/result.h"
#include "libhandoff/core/address.h"
#include "libhandoff/core/typical.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

class Registry;

class Rehearsal {
 public:
  static constexpr std::size_t kExamples = 10;

  protocol::Rehearsed notes;
  core::Typical restoring;  // of each session that was restored

  // True if the rehearsal can go on without what has failed. For want of fds or memory it can't:
  // everything after it would fail as well.
  bool refuse_session(std::uint64_t id, std::string what, std::string peer, const Error& error);
  bool refuse_part(std::string what, const Error& error);
  bool refused_part(const std::string& what) const;
  bool refused_any_part() const;

  // What another lane, or another channel of this one, has found out.
  void add(const protocol::Rehearsed& other);

  // Which of the declared listeners that nobody has could not be bound. Binds none of them for
  // anybody to see.
  void try_missing(const Registry& registry);
  // What this process takes of the memory now. Exactly means with its share of what several have:
  // it walks through all of it, which nobody may wait for.
  void weigh(bool exactly);
};

}  // namespace handoff::io
