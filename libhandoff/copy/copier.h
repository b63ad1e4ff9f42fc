// The donor's copy: what has to go over, packed into frames, one at a time.
//
// A round begins with everything (round 1) or with what has changed since it was sent; the round in
// the freeze is the delta. In each, in this order: named fds, regions and the ring (round 1),
// sessions, section chunks, CopyEnd or, at the last, Prepare. At most kWindow frames are
// unacknowledged, which bounds the fds in flight and says which slots of the ring are free.
//
// Sessions whose frame would be large lie in the ring, too, if the heir knows how; without sections
// the ring is made once there is such a frame.
//
// With several lanes each channel has a copier for its share of a lane's sessions; that of the main
// channel has all the rest as well, and its Prepare waits for the others.
//
// When the socket is full, a Sessions frame is taken apart again: the service may close one of its
// sockets before the next try.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/session_record.h"
#include "libhandoff/core/lanes.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class Copier : public SessionObserver {
 public:
  enum class Round : std::uint8_t { kFirst, kAgain, kFrozen };
  enum class Pumped : std::uint8_t {
    kSent,     // one frame; there may be more
    kBlocked,  // the socket is full: wait until it can be written
    kWindow,   // wait for an Ack
    kHeld,     // all but Prepare is sent, and that waits for the other channels
    kDone,     // the round is complete
    kClosed,   // the heir is gone
  };

  // rehearsal: what can't be saved is noted there and left out instead of ending it.
  Copier(Registry& registry, Channel& channel, Rehearsal* rehearsal)
      : registry_(registry), channel_(channel), rehearsal_(rehearsal) {}
  ~Copier() override;
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;

  // What both Hellos have come to, the same for all channels of a handoff. Before begin(kFirst).
  struct Terms {
    std::vector<std::uint32_t> versions;  // in which each kind travels
    bool ring_sessions = false;           // the heir takes Sessions that lie in the ring
    bool heir_looks = false;              // and sessions at whose sockets this side has not looked
  };
  void set_terms(Terms terms) { terms_ = std::move(terms); }
  // Ends of links to be passed on as named fds; before begin(kFirst).
  struct LinkEnd {
    std::string name;
    int fd = -1;  // borrowed
  };
  // Progressive: only these move.
  void set_spread(std::uint32_t permille) { spread_ = permille; }
  void set_links(std::vector<LinkEnd> links) { links_ = std::move(links); }
  // Whether this side looks at the sockets from here on, if it has the choice: for an heir that
  // does not, in the freeze and in a rehearsal it always does.
  void set_looks(bool looks) { looks_ = looks; }
  // One of several channels: these sessions of its lane; and, if it is not the main channel,
  // nothing but sessions. Before begin(kFirst).
  void set_part(core::Share share, bool main) {
    share_ = share;
    main_ = main;
  }
  // Prepare waits, until it is known how many sessions the other channels have brought over.
  void hold_prepare() { others_.reset(); }
  // late: how many stay here of those.
  void release_prepare(std::uint64_t others, std::uint64_t late) {
    others_ = others;
    others_late_ = late;
  }
  // For Prepare; before begin(kFrozen).
  void set_frozen(std::uint64_t at_ns, std::uint64_t budget_us, int deed_fd) {
    frozen_at_ns_ = at_ns;
    budget_us_ = budget_us;
    deed_fd_ = deed_fd;
  }
  Result<void> begin(Round round);
  Result<Pumped> pump();
  // An Ack: frames is a total. False if it makes no sense.
  bool acknowledge(std::uint64_t frames);
  // Ends the sections' copy; moved says whether they are the heir's now. Idempotent.
  void end(bool moved);
  // The heir has taken over: its regions are no longer mapped here.
  void let_go();

  std::uint32_t round() const { return round_; }
  std::uint64_t dirty() const { return next_.size() + closed_.size(); }
  std::uint64_t at_heir() const { return at_heir_; }
  std::uint64_t sessions_sent() const { return sessions_sent_; }
  std::uint64_t bytes() const { return bytes_; }
  // When the first fds were about to go; 0 before.
  std::uint64_t first_fd_at_ns() const { return first_fd_at_ns_; }
  // Sessions that stay here: held, or of a kind that the heir can't read. From the freeze on.
  const std::vector<std::uint64_t>& staying() const { return staying_; }

  void session_changed(std::uint64_t id, SessionEntry& entry) override;
  void session_closed(std::uint64_t id, const SessionEntry& entry) override;

 private:
  enum class Stage : std::uint8_t { kNamed, kRegions, kRing, kSessions, kSections, kEnd, kDone };
  // One Sessions frame in the making; its memory serves for the next one.
  struct Batch : PackedSessions {
    std::vector<std::uint64_t> ids;
    std::vector<std::uint64_t> first;  // of ids, those that the heir gets the fd of
    std::size_t closed = 0;            // taken from the back of closed_
    bool unseen = false;               // nobody has looked at the sockets
    void clear();
  };

  Result<Pumped> send_named();
  Result<Pumped> send_region();
  Result<Pumped> send_ring();
  Result<Pumped> send_sessions();
  Result<Pumped> send_batch();
  Result<Pumped> in_slot(Result<Pumped> sent);
  Result<Pumped> send_section();
  Result<Pumped> send_end();
  Result<void> add_session(std::uint64_t id, SessionEntry& entry);
  void take_back();
  bool looks() const {
    return looks_ || !terms_.heir_looks || rehearsal_ != nullptr ||
           kind_of_round_ == Round::kFrozen;
  }
  bool stays(std::uint64_t id, const SessionEntry& entry) const;
  void leave_behind();
  std::uint32_t section_version(std::size_t i) const {
    return terms_.versions[registry_.kinds.size() + i];
  }
  std::uint32_t region_version(std::size_t i) const {
    return terms_.versions[registry_.kinds.size() + registry_.sections.size() + i];
  }
  // At most a window of frames is unacknowledged, so what lay in the next slot has been applied.
  char* slot() const { return ring_.mapping.data() + std::size_t{slot_} * slot_size_; }
  bool sends_in_ring() const { return terms_.ring_sessions && ring_.fd.valid(); }
  Result<Pumped> outcome(const Result<Channel::Sent>& sent) const;

  Registry& registry_;
  Channel& channel_;
  Rehearsal* rehearsal_;
  Terms terms_;
  Stage stage_ = Stage::kDone;
  Round kind_of_round_ = Round::kFirst;
  std::uint32_t round_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::vector<std::uint64_t> queue_;   // of this round, taken from the back
  std::vector<std::uint64_t> next_;    // changed or opened since it was sent
  std::vector<std::uint64_t> closed_;  // ended, and the heir has it
  struct Passed {
    std::string name;
    std::string address;
    int fd = -1;
  };
  std::vector<Passed> named_;  // not sent yet
  std::vector<LinkEnd> links_;
  std::vector<std::uint64_t> staying_;
  std::uint32_t spread_ = 0;
  core::Share share_;
  bool main_ = true;
  std::optional<std::uint64_t> others_ = 0;
  std::uint64_t others_late_ = 0;
  std::size_t named_total_ = 0;
  RingMemory ring_;
  std::size_t section_ = 0;
  std::size_t region_ = 0;
  std::uint32_t waiting_chunk_ = 0;  // length of a chunk that is in its slot and not yet sent
  bool sections_begun_ = false;
  std::uint64_t chunks_ = 0;
  std::uint32_t slot_ = 0;  // that is written next
  std::uint32_t slot_size_ = 0;
  bool looks_ = true;
  std::uint64_t at_heir_ = 0;
  std::uint64_t sessions_sent_ = 0;
  std::uint64_t bytes_ = 0;
  Batch batch_;
  handoff_saved saved_;
  std::uint64_t first_fd_at_ns_ = 0;
  std::uint64_t frozen_at_ns_ = 0;
  std::uint64_t budget_us_ = 0;
  int deed_fd_ = -1;  // borrowed
};

}  // namespace handoff::io
