// All links of a process, as far as they are one lane's: lane 0 has the links themselves, each
// other lane its ways of them. And a late process's care for the sessions that it has left: it
// gives those that are not held to the owner, tells the supervisor how many wait, and ends the
// waiting when the drain is over.
//
// An owner has a link to each late process before it, a late process one to the owner.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/copy/service_sender.h"
#include "libhandoff/core/spread.h"
#include "libhandoff/link/link.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::io {

// When the drain is over, sessions move whether they are held or not. What has not moved 5 s later
// is closed.
inline constexpr core::Duration kLastMoves = 5'000'000;

class Links {
 public:
  static Result<std::unique_ptr<Links>> make(Registry& registry);

  // Readable when turn() has something to do. It stays the same for life.
  int fd() const { return epoll_.get(); }
  void turn();
  // Lane 0's: takes the ways of other lanes, to open() them on their threads. ways_come: whether
  // ways are to come to a late process's other lanes has changed, for them to hear.
  void set_lanes(std::function<void(Way way)> lanes, std::function<void(bool yes)> ways_come) {
    lanes_ = std::move(lanes);
    tell_lanes_ = std::move(ways_come);
  }
  // A way of this lane.
  void open(Way way);
  // Another lane's, by lane 0: whether ways are to come.
  void ways_come(bool yes);
  // How restores have ended that were answered with HANDOFF_LATER.
  void answered(const std::vector<Told::Answer>& answers);
  // The session is in a group that comes.
  bool bring(std::uint64_t id) const;

  // A process at the other end of a link has greeted since this was asked last.
  bool take_greeted();

  // -- the owner's
  // The donor that has stayed late.
  void to_late(Channel channel, UniqueFd peer, core::Limits limits);
  // The late processes that the donor had links to: what LinkEnd passed on.
  void inherit(std::map<std::string, UniqueFd> ends, core::Limits limits);
  // Borrowed, for the next heir.
  std::vector<LinkEnd> ends() const;
  // Borrowed: the pidfd of the process at the other end of each link.
  std::vector<int> late_processes() const;
  // Waits until then for groups that are under way; from here on nothing is read. An Error: a group
  // has not ended, and the links go on.
  Result<void> rest(core::Time until);
  void wake();
  // The links are the heir's now.
  void pass_on();

  // -- progressive: how many of a thousand sessions are the owner's; the others are the late one's.
  void spread(std::uint32_t permille);
  bool spreads() const { return spread_ != core::kAll; }

  // -- the late one's
  // channel: none if the heir knows no links.
  void become_late(std::uint64_t handoff_id, std::optional<Channel> channel, UniqueFd peer,
                   core::Limits limits);
  // Sessions that could not be moved at the switch, with the reasons of the first; closed: those
  // that were reset.
  void leave(std::vector<std::uint64_t> ids, std::vector<protocol::Unmoved> first,
             std::uint64_t closed);
  void drain(const protocol::Drain& order);
  // To an owner that was not there before.
  void to_owner(Channel channel, UniqueFd peer, core::Limits limits);
  // News for the supervisor, if there are any since the last call.
  std::optional<protocol::Late> news();
  protocol::Late standing() const;
  // The process is late, and nothing is left here.
  bool done() const;

 private:
  explicit Links(Registry& registry) : registry_(registry) {}
  void let_go_on();
  void hand_out(std::vector<Way> ways);
  void tell_lanes();
  bool linked() const;  // by more than a way
  // The newest by which a session of this lane goes; nullptr if there is none.
  Link* way_of(std::uint64_t id) const;
  bool moves_all() const;  // whether held or not: the drain is over
  void give();
  void give_back();
  void end_waiting();
  bool stays_for_good(std::uint64_t id, const SessionEntry& entry) const;
  void await();
  void watch(int fd, bool write, std::map<int, bool>& wanted) const;

  Registry& registry_;
  UniqueFd epoll_;
  UniqueFd timer_;
  std::map<int, bool> watched_;               // fd, and whether for writing, too
  std::vector<std::unique_ptr<Link>> links_;  // and ways
  std::function<void(Way way)> lanes_;
  std::function<void(bool yes)> tell_lanes_;
  bool ways_come_ = true;     // to the lanes but lane 0
  bool awaits_ways_ = false;  // a late process's lane, between the switch and its first ways
  bool resting_ = false;
  bool closing_ = false;  // about to rest: no new groups
  std::uint32_t spread_ = core::kAll;

  bool late_ = false;
  std::uint64_t handoff_id_ = 0;
  std::uint64_t moved_before_ = 0;   // over links that are gone
  std::uint64_t closed_ = 0;         // that were reset, at the switch and at the end of the drain
  std::vector<std::uint64_t> left_;  // that could not be moved at the switch
  std::vector<protocol::Unmoved> first_left_;
  std::optional<protocol::Drain> drain_;
  bool over_ = false;  // the drain
  struct News {
    std::uint64_t waiting = 0;
    std::uint64_t stay_changes = 0;
    bool linked = false;
    friend bool operator==(const News&, const News&) = default;
  };
  std::optional<News> told_;
  std::optional<core::Time> next_overdue_;  // of what is held
};

}  // namespace handoff::io
