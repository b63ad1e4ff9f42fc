// The donor's sessions of one line (a channel with its share of a lane's sessions), packed into
// frames.
//
// A frame that the socket has no room for is taken apart again, since the service may close one of
// its sockets before the next try.
//
// A large frame lies in the ring, if the heir knows how. A line without a ring makes one once it
// has had a large frame.
#pragma once

#include <cstdint>
#include <vector>

#include "libhandoff/copy/frame_sender.h"
#include "libhandoff/copy/progress.h"
#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_sender.h"
#include "libhandoff/copy/round.h"
#include "libhandoff/copy/session_record.h"
#include "libhandoff/core/lanes.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class SessionSender {
 public:
  // rehearsal: what can't be saved is noted there and left out instead of ending it.
  SessionSender(Registry& registry, FrameSender& frames, RingSender& ring, Rehearsal* rehearsal)
      : registry_(registry), frames_(frames), ring_(ring), rehearsal_(rehearsal) {}
  SessionSender(const SessionSender&) = delete;
  SessionSender& operator=(const SessionSender&) = delete;

  // Before begin(kFirst).
  void set_terms(const Terms& terms, core::Share share);
  core::Share share() const { return share_; }
  // Whether this side looks at the sockets from here on, if it has the choice: for an heir that
  // does not, in the freeze and in a rehearsal it always does.
  void set_looks(bool looks) { looks_ = looks; }

  void begin(Round round);
  // The next frame of the round.
  Result<Pumped> send();

  // One of the share was opened or has changed; has ended.
  void changed(std::uint64_t id, SessionEntry& entry);
  void closed(std::uint64_t id, const SessionEntry& entry);

  Progress progress() const;
  // Sessions that stay here: held, or of a kind that the heir can't read. From the freeze on.
  const std::vector<std::uint64_t>& staying() const { return staying_; }

 private:
  // One Sessions frame in the making; its memory serves for the next one.
  struct Batch : PackedSessions {
    std::vector<std::uint64_t> ids;
    std::vector<std::uint64_t> first;  // of ids, those that the heir gets the fd of
    std::size_t closed = 0;            // taken from the back of closed_
    bool unseen = false;               // nobody has looked at the sockets
    void clear();
  };

  void queue_all();
  void queue_untracked();
  void leave_behind();
  Result<void> fill();
  Result<void> add(std::uint64_t id, SessionEntry& entry);
  // Its kind is left out.
  Failure can_not_stay(std::uint64_t id, const SessionEntry& entry) const;
  Result<Pumped> send_batch();
  Result<Pumped> not_sent(Result<Pumped> sent);
  bool sends_in_ring() const { return terms_.ring_sessions && ring_.made(); }
  bool looks() const {
    return looks_ || !terms_.heir_looks || rehearsal_ != nullptr || round_ == Round::kFrozen;
  }
  bool stays(std::uint64_t id, const SessionEntry& entry) const;

  Registry& registry_;
  FrameSender& frames_;
  RingSender& ring_;
  Rehearsal* rehearsal_;
  Terms terms_;
  core::Share share_;
  bool looks_ = true;
  Round round_ = Round::kFirst;
  bool ring_due_ = false;              // a large frame went without a ring
  std::vector<std::uint64_t> queue_;   // of this round, taken from the back
  std::vector<std::uint64_t> next_;    // changed or opened since it was sent
  std::vector<std::uint64_t> closed_;  // ended, and the heir has it
  std::vector<std::uint64_t> staying_;
  std::uint64_t at_heir_ = 0;
  std::uint64_t sessions_sent_ = 0;
  std::uint64_t bytes_ = 0;
  Batch batch_;
  handoff_saved saved_;
};

}  // namespace handoff::io
