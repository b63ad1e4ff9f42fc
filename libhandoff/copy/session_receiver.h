// The heir's staging area for sessions: they lie here as they arrive by one channel, before they
// are its own.
//
// A service with update() gets a session at once, while the donor serves. For any other service the
// session waits here until its state is final. What costs time for each session is done as the
// session arrives, so that the switch has no work for each of them. Until the sessions are the
// heir's, their sockets are only identified; a session that is lost is reset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "libhandoff/copy/donor_kinds.h"
#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_receiver.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/heap_growth.h"
#include "libhandoff/sys/memory.h"

namespace handoff::io {

class SessionReceiver {
 public:
  // So many of those that are lost are named.
  static constexpr std::size_t kNamedLost = 100;

  // rehearsal: what is refused is noted there instead of ending it.
  SessionReceiver(Registry& registry, Rehearsal* rehearsal)
      : registry_(registry), rehearsal_(rehearsal) {}
  SessionReceiver(const SessionReceiver&) = delete;
  SessionReceiver& operator=(const SessionReceiver&) = delete;

  void set_kinds(std::vector<DonorKind> kinds) { kinds_ = std::move(kinds); }
  // The donor keeps or closes what is refused here: it does not end the handoff.
  void set_may_refuse(bool may) { may_refuse_ = may; }

  // The message Sessions. An Error is the peer's fault (HANDOFF_ERR_PROTOCOL and the like) or the
  // service's refusal.
  Result<void> apply(std::string_view body, std::vector<UniqueFd>& fds, RingReceiver& ring);

  // Restores what is not yet.
  Result<void> restore();
  // Of what apply() had last: some of it is a layer's.
  bool took_secret() { return std::exchange(took_secret_, false); }
  // How a restore() has ended that was answered with HANDOFF_LATER. False: it is none of these.
  Result<bool> answered(const Told::Answer& answer);
  // Sessions of which such an answer has not come.
  std::uint64_t pending() const { return pending_.size(); }
  // They count as refused.
  Result<void> give_up_pending();
  // Restores those that can be; the others are reset.
  void restore_what_can_be();
  // After a donor's death in mid-copy: keeps independent sessions whose sockets have not moved
  // since their snapshot, resets the others.
  void keep_unmoved();
  // The sessions are this process's own: into the registry, which hears of restores that have not
  // ended.
  void adopt();
  // The handoff failed.
  void drop();
  // What was refused is not this process's. donor_gone: nor anybody's, so it is reset.
  void forget_refused(bool donor_gone);
  // Sessions that were refused since this was asked last.
  std::vector<protocol::Refusal> take_refused();
  // Refused ones, which are here until the donor closes them.
  std::uint64_t refused() const { return refused_here_; }
  // Of all that came, so many were refused. Since the beginning.
  std::uint64_t refused_in_all() const { return refused_in_all_; }
  std::uint64_t came() const { return came_; }
  // A rehearsal: everything that came, counted. The amounts are of all of the donor's kinds.
  void count();

  bool has(std::uint64_t id) const { return arrived_.contains(id); }
  std::vector<std::uint64_t> ids() const;
  std::uint64_t sessions() const { return arrived_.size(); }
  // How many are to be expected: a hint.
  void expect(std::uint64_t sessions);
  std::uint64_t lost() const { return lost_; }
  const std::vector<std::uint64_t>& lost_ids() const { return lost_ids_; }

 private:
  // A state that the service has not seen yet.
  struct Newest {
    std::uint32_t version = 0;
    std::uint32_t layer_flags = 0;
    std::string_view state, input, output, layer;
    // Of what came before, so many bytes are over, and input (output) goes behind the rest.
    std::optional<std::uint64_t> input_dropped = {};
    std::optional<std::uint64_t> output_dropped = {};
    bool is_whole() const { return !input_dropped && !output_dropped; }
  };
  // A state that is kept until the final one has come; with the first state of a session, its fd.
  struct Waiting {
    UniqueFd fd;
    std::uint32_t version = 0;
    std::uint32_t layer_flags = 0;
    std::string state, input, output;
    Secret layer;
  };
  // How many bytes of its input and output have come; of sessions that have any.
  struct Lengths {
    std::uint64_t input = 0;
    std::uint64_t output = 0;
  };
  // For the report of a rehearsal.
  struct Weighed {
    std::uint32_t donors_kind = 0;
    std::uint64_t bytes = 0;
    bool refused = false;
  };

  Result<void> stage(const protocol::Session& record, bool unseen, std::vector<UniqueFd>& fds,
                     std::size_t& next_fd);
  Result<void> stage_one(const protocol::Session& record, bool unseen, std::vector<UniqueFd>& fds,
                         std::size_t& next_fd);
  // The bytes of a record; blob keeps them where they are not in the frame.
  Result<Newest> read_state(const protocol::Session& record, std::vector<UniqueFd>& fds,
                            std::size_t& next_fd, Mapping& blob) const;
  // The fds of a record beside its socket, taken out of the frame; the session has those from now
  // on.
  Result<void> stage_own_fds(const protocol::Session& record, bool refused,
                             std::vector<UniqueFd>& fds, std::size_t& next_fd);
  // Checks what is to be dropped, and notes what is here from now on. Of the whole too it then says
  // how many bytes it replaces, if the other of the two is a tail.
  Result<void> measure(std::uint64_t id, Newest& newest);
  void keep(std::uint64_t id, UniqueFd fd, const Newest& newest);
  // The service does not take it. An Error: that ends the handoff.
  Result<void> refuse(std::uint64_t id, SessionEntry& entry, const Result<void>& result);
  // fd: of one that the service has not had.
  Result<void> restore(std::uint64_t id, SessionEntry& entry, UniqueFd fd, const Newest& newest);
  Result<void> restore_waiting(std::uint64_t id, SessionEntry& entry);
  // Rehearsal: what restoring one took.
  void spent(std::uint64_t ns);
  // A rehearsal notes what is refused, and goes on.
  Result<void> rehearse(std::uint64_t id, const SessionEntry& entry, const std::string& peer,
                        Result<void> restored);
  Sessions::iterator lose(Sessions::iterator it);
  void drop(std::uint64_t id, const SessionEntry& entry);
  void keep_sockets(std::uint64_t id, const SessionEntry& entry);
  // Resets what keep_sockets() has kept of a session that was refused.
  void reset_refused(std::uint64_t id);
  bool unmoved(std::uint64_t id, const SessionEntry& entry) const;

  Registry& registry_;
  Rehearsal* rehearsal_;
  std::vector<DonorKind> kinds_;
  Sessions arrived_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;  // of arrived_
  std::unordered_map<std::uint64_t, Weighed> weighed_;  // of arrived_, in a rehearsal
  // restore() said no, perhaps after it had taken the fd.
  std::unordered_set<std::uint64_t> failed_;
  // Of arrived_: so many of its restores have not ended.
  std::unordered_map<std::uint64_t, std::uint64_t> pending_;
  HeapGrowth heap_;
  std::unordered_map<std::uint64_t, Lengths> lengths_;  // of arrived_
  bool took_secret_ = false;
  bool may_refuse_ = false;
  std::vector<protocol::Refusal> refusals_;  // not told yet
  // Of sessions that were refused. If the donor dies, this process alone can end them by a reset.
  std::unordered_map<std::uint64_t, std::vector<UniqueFd>> refused_sockets_;
  std::uint64_t refused_here_ = 0;
  std::uint64_t refused_in_all_ = 0;
  std::uint64_t came_ = 0;
  std::uint64_t lost_ = 0;
  std::vector<std::uint64_t> lost_ids_;
};

}  // namespace handoff::io
