// The donor's sessions of one line (a channel with its share of a lane's sessions), packed into
// frames.
//
// A frame that the socket has no room for is taken apart again, since the service may close one of
// its sockets before the next try.
//
// A large frame lies in the ring, if the heir knows how. A line without a ring makes one once it
// has had a large frame.
//
// Of input and output whose positions the service says, a later record has only what the heir
// lacks. What can't be saved is left behind, and so is what would not fit into the freeze.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "libhandoff/copy/frame_sender.h"
#include "libhandoff/copy/left_behind.h"
#include "libhandoff/copy/progress.h"
#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_sender.h"
#include "libhandoff/copy/round.h"
#include "libhandoff/copy/session_record.h"
#include "libhandoff/core/freeze_room.h"
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

  // The heir has acknowledged frames.
  void acknowledged();
  // The heir does not take this session. after_delta: it is told of no more.
  void refused(std::uint64_t id, const std::string& reason, bool after_delta);

  Progress progress() const;
  // Sessions that stay here: held, of a kind that the heir can't read, or left behind. From the
  // freeze on.
  const std::vector<std::uint64_t>& staying() const { return staying_; }
  // Sessions that are reset at the switch. From the freeze on.
  const std::vector<std::uint64_t>& closing() const { return closing_; }
  const LeftBehind& left() const { return left_; }
  // Sessions that would have to stay if the freeze began now.
  std::vector<core::FreezeRoom::Session> too_large() const;
  // Why, for people.
  std::string why_too_large(const core::FreezeRoom::Session& session) const;

 private:
  // One Sessions frame in the making; its memory serves for the next one.
  struct Batch : PackedSessions {
    std::vector<std::uint64_t> ids;
    std::vector<std::uint64_t> first;  // of ids, those that the heir gets the fd of
    std::size_t closed = 0;            // taken from the front of closed_
    bool unseen = false;               // nobody has looked at the sockets
    bool full = false;                 // the next one has no room
    // What the heir has once the frame is sent: of sessions of which that is known, or was.
    std::vector<std::pair<std::uint64_t, AtPeer>> at_heir;
    std::vector<core::FreezeRoom::Session>
        large;                      // of ids, with what they would be sent with again
    std::uint64_t large_bytes = 0;  // of ids that are large, as they are sent
    void clear();
  };

  void queue_all();
  void queue_untracked();
  // What there was nothing to be saved of before the freeze.
  void queue_without_snapshot();
  void leave_behind();
  void leave_too_large();
  // A session that can't be moved stays, or is closed.
  void leave(std::uint64_t id, SessionEntry& entry, core::FaultOf fault, std::string reason);
  void will_stay(std::uint64_t id, SessionEntry& entry);
  void note_staying(std::uint64_t id, const SessionEntry& entry);
  // Whether the handoff goes on without a session that failed so.
  bool may_leave(const Error& error) const;
  Result<void> fill();
  // How long the body may be before the next record.
  std::size_t batch_room() const;
  Result<void> without(std::uint64_t id, SessionEntry& entry, const Error& error);
  std::uint64_t hash_of_saved() const;
  void note(std::uint64_t id);
  void measure();
  core::FreezeRoom room() const;
  void commit();
  Result<void> add(std::uint64_t id, SessionEntry& entry);
  // Its kind is left out.
  Failure can_not_stay(std::uint64_t id, const SessionEntry& entry) const;
  Result<Pumped> send_batch();
  Result<Pumped> not_sent(Result<Pumped> sent);
  bool sends_in_ring() const { return terms_.ring_sessions && ring_.made(); }
  bool looks() const {
    return looks_ || !terms_.heir_looks || rehearsal_ != nullptr || round_ == Round::kFrozen;
  }
  bool stays(std::uint64_t id, const SessionEntry& entry) const {
    return stays_by_itself(id, entry) || left_.has(id);
  }
  bool stays_by_itself(std::uint64_t id, const SessionEntry& entry) const;

  // A frame with large sessions that is on its way.
  struct Sample {
    std::uint64_t frame = 0;
    std::uint64_t bytes = 0;
    std::uint64_t begun_ns = 0;
    std::uint64_t took_ns = 0;  // until it was sent
  };

  Registry& registry_;
  FrameSender& frames_;
  RingSender& ring_;
  Rehearsal* rehearsal_;
  Terms terms_;
  core::Share share_;
  bool looks_ = true;
  Round round_ = Round::kFirst;
  bool some_wait_ = false;             // for the freeze, since nothing can be saved before it
  bool ring_due_ = false;              // a large frame went without a ring
  std::vector<std::uint64_t> queue_;   // of this round, taken from the back
  std::vector<std::uint64_t> next_;    // changed or opened since it was sent
  std::vector<std::uint64_t> closed_;  // ended, and the heir has it
  std::vector<std::uint64_t> staying_;
  std::vector<std::uint64_t> closing_;
  LeftBehind left_;
  std::unordered_map<std::uint64_t, AtPeer>
      stretches_;  // that the heir has; those that are not empty
  std::unordered_map<std::uint64_t, std::uint64_t>
      large_;  // bytes that they would be sent with again
  core::FreezeRoom room_;
  std::optional<Sample> sample_;
  std::uint64_t begun_ns_ = 0;    // with the frame in the making
  std::uint64_t large_sent_ = 0;  // bytes of large sessions, in this round
  std::uint64_t at_heir_ = 0;
  std::uint64_t sessions_sent_ = 0;
  std::uint64_t bytes_ = 0;
  Batch batch_;
  handoff_saved saved_;
};

}  // namespace handoff::io
