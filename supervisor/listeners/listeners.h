// The listeners of one service: bound here, kept by systemd over a restart of the supervisor, or
// shown by a process that the supervisor before this one had started. Never bound anew while such a
// process may hold the old one (invariant I6, docs/invariants.md).
//
// A listener whose address has changed in the configuration is two for a while: from an upgrade on,
// until the release that took the new one is permanent or has gone back (decision 40).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/core/unclaimed.h"
#include "supervisor/host/kept_fds.h"
#include "supervisor/host/notify.h"
#include "supervisor/listeners/listener.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::supervisor {

class ListenerEnds;

// The process that serves, and what is known of it. Borrowed.
struct OwnerSeen {
  const std::vector<NamedFd>* named = nullptr;  // as it has reported; null: it has said nothing yet
  const std::string& release;
  const Claims& claims;
  const std::vector<std::string>& drops;  // listeners that it wants closed
  bool was_donor = false;                 // its last heir never owned
  bool permanent = false;                 // nobody goes back from it
  bool went_back = false;                 // it took over as the release before
};

class Listeners {
 public:
  // report_path: by which a process that has an address already is known for one of ours.
  Listeners(std::string service, std::vector<NamedAddress> wanted, Notify& notify,
            std::string report_path = "");

  // What was done to a listener, or why it can't be.
  struct Mended {
    std::string name;
    bool done = false;
    std::string what;
  };
  // From now on: those that are here and are not among them are closed, others bound when missing.
  // Options of those that stay are set; what is returned says where that failed, and what helps.
  // in_use: a process has them, so one that has another address now stays, too, until an upgrade
  // moves it.
  std::vector<Mended> want(std::vector<NamedAddress> wanted, bool in_use = false);
  // Takes those that were kept and are wanted by name; one at another address stays there until an
  // upgrade moves it.
  void take_kept(KeptFds& kept);
  // Binds what is missing and not left out; all or an error that names one. No process of the
  // service may serve: a Unix socket that has lost each of its names counts as missing. A move that
  // is under way has ended where it began.
  // claims: of the release that is to be started. What it does not claim, and, if it `ran` before,
  // what a reload has added since, fails no start: it is bound by the next upgrade.
  Result<void> bind_missing(const std::vector<std::string>& left_out = {},
                            const Claims& claims = {}, bool ran = false);

  // Listeners that are to be bound, and whose owner is not known (socket_file.h). Once somebody has
  // looked them up they are known. all: also those that bind_missing() can do without.
  std::vector<NamedAddress> of_unknown_owners(bool all) const;
  void know(const std::vector<NamedAddress>& looked_up);

  // For an heir that goes forward: binds what no process has yet, and what is to move at its new
  // address. donor: what the process that serves has. All or an error that names one; without
  // `really` it is only tried whether that can be done. ends: what has not ended yet is bound.
  Result<void> bind_for_heir(const std::vector<NamedFd>& donor, bool really,
                             ListenerEnds* ends = nullptr);
  // The heir never owned: what was bound for it is closed.
  void heir_failed(const std::vector<NamedFd>& owner);
  // The owner has come by a handoff. What was bound for it, and of what it has a socket of its own
  // by that name, is closed: it is of a library that takes none (PROTOCOL.md, Start.kept).
  void close_untaken(const std::vector<NamedFd>& owner);
  // Names of what was bound for an heir since nobody had it. As long as somebody can go back from
  // the heir, whom that leads to has none of them either.
  std::vector<std::string> new_names() const;
  // Nobody goes back from the owner: of what moves, the one that it has stays. Both stay, until an
  // upgrade, where the owner has gone back and has the new one all the same (its library knows no
  // moves), and where the configuration has the one from before again.
  void settle(const std::vector<NamedFd>& owner, bool went_back = false);
  // No handoff is under way: what follows for each listener from who serves, and from what is to
  // become of those that its release does not claim.
  void follow(const OwnerSeen& owner, const UnclaimedPolicy& policy);
  // What was given up for another address by the functions above and bind_missing(), to be ended
  // by ListenerEnds.
  std::vector<Listener> take_replaced();

  // What an heir gets of the supervisor.
  struct ForHeir {
    std::vector<const Listener*> kept;    // that its donor does not have
    std::vector<const Listener*> moved;   // in place of the one that its donor has
    std::vector<const Listener*> before;  // the other one of each that moves: clients wait there
    std::vector<NamedAddress> missing;    // that nobody has: those that a rehearsal did not bind
  };
  ForHeir for_heir(const std::vector<NamedFd>& donor, bool forward) const;

  // Until it is bound again.
  void close(const std::string& name);
  // Makes paths of Unix listeners again that somebody has removed.
  std::vector<Mended> mend_paths();
  // From a process that has it: fds that are wanted and missing are taken, the others closed. One
  // that is where the configuration says, while the one that is here is not, has moved: under the
  // supervisor before this one.
  void take_shown(std::vector<NamedFd>& shown);

  // The listeners that are bound, in the order of the configuration. Of one that moves: the one
  // that `owner` has, else the one from before.
  std::vector<const Listener*> here(const std::vector<NamedFd>& owner = {}) const;
  // Of a listener that moves the one that here(owner) leaves out; nullptr if it does not move.
  const Listener* other(const std::string& name, const std::vector<NamedFd>& owner) const;
  // Of those that move, the one that it went from.
  std::vector<const Listener*> before() const;
  bool has(const std::string& name) const;
  std::vector<std::string> wanted_names() const;
  std::vector<std::string> names() const;  // of here()
  nlohmann::json json(const std::vector<NamedFd>& owner = {}) const;
  // By the names that take_kept() of the next supervisor knows.
  std::map<std::string, int> fds() const;

 private:
  struct Place {
    NamedAddress wanted;
    std::optional<Listener> have;
    std::optional<Listener> next;  // at another address, for an heir and its own
    bool for_heir = false;         // `have` was bound for an heir that has not owned yet
    bool back = false;             // `next` is where the move began: an upgrade is to go back
    bool told = false;             // that the owner has the new one, though it has gone back
    bool taken_up = false;         // `next` was about to end, and a process has it still
    bool added = false;            // by a reload, and no release that is permanent has had it
  };
  static Place* find(std::vector<Place>& places, const std::string& name);
  // The socket of another name that is at the address of a place; "" if there is none.
  std::string in_the_way(const Place& place, const std::vector<NamedFd>& donor) const;
  void keep(Place& place, Listener listener);
  void drop(std::optional<Listener>& listener);
  void replace(std::optional<Listener>& listener);
  bool is_held(Place& place, const NamedFd* its, bool went_back);
  void turn_back(Place& place);
  static Result<void> set(Listener& listener, const ListenerOptions& options);
  void drop_lost();
  std::string spare_of(const std::string& name) const;
  Result<Listener> open(const NamedAddress& wanted, const std::string& spare);
  Result<std::optional<Listener>> open_for_heir(const Place& place, ListenerEnds* ends);
  static Result<std::optional<Listener>> try_to_open(const Place& place, ListenerEnds* ends);
  Result<Listener> adopt(const NamedAddress& wanted, UniqueFd fd, const std::string& spare);
  void take_kept(Place& place, UniqueFd fd);
  void take_from_before(Place& place, UniqueFd fd);

  std::string service_;
  std::vector<Place> places_;
  std::vector<Listener> replaced_;
  Notify* notify_;
  std::string report_path_;
};

}  // namespace handoff::supervisor
