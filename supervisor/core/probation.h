// Whether the release that runs has proved itself, and which one the service goes back to if it
// does not.
//
// A release is first installed and only later made permanent (Erlang's release_handler): from the
// switch on it is provisional, until its probation is over or somebody commits it. There are two
// places: the release that runs, and the one to go back to. Going back from a provisional release
// leads to the permanent one, however many upgrades have come since. Going back from a permanent
// release leads to the one before it. A release that was permanent once needs no second probation.
//
// Whatever the health check is, the process must have said that it owns the sessions, and it is
// asked for their number again and again: one that does not answer hangs, and is not well.
//
// The policy may change at any time (`handoff reload`), so each question brings it along and
// nothing here keeps it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/core/time.h"

namespace handoff::supervisor {

class Probation {
 public:
  // A service may be busy for a moment, however short the timers of its handoffs are.
  static constexpr Duration kLeastPatience = std::chrono::seconds(5);

  struct Policy {
    bool checked = false;                     // by a health check, or by the service's own word
    bool polled = false;                      // the supervisor asks; else the service says
    int failures = 3;                         // in a row
    std::optional<std::uint64_t> max_errors;  // that the service may count of its own
    Duration patience = std::chrono::seconds(10);  // with a question that is not answered
    friend bool operator==(const Policy&, const Policy&) = default;
  };

  // What a release that takes over is to the service.
  enum class Origin {
    kNew,
    kFirst,  // new, and nothing of the service could be opened before it
    kSame,   // as the one that ran: `restart`
    kBack,   // the one to go back to
  };
  // What becomes of the place to go back to.
  enum class Back { kStays, kIsTheOneBefore, kIsEmpty };

  // What the next supervisor has to know.
  struct Saved {
    bool provisional = false;
    std::optional<Time> until;
    bool has_back = false;
    bool back_proven = false;
    bool one_way = false;  // the provisional release could not hand back when it took over
    bool died = false;     // a process of it, whose sessions went on from its vault
    friend bool operator==(const Saved&, const Saved&) = default;
  };

  void restore(const Saved& saved) { saved_ = saved; }
  const Saved& saved() const { return saved_; }

  bool provisional() const { return saved_.provisional; }
  bool has_back() const { return saved_.has_back; }
  // From a new release that takes over now one goes back past the one that runs, to the one that
  // can be gone back to by now.
  bool goes_back_past() const { return saved_.provisional && saved_.has_back; }
  bool one_way() const { return saved_.one_way; }
  void went_one_way() { saved_.one_way = true; }
  // When verdict() wants to be asked; also whenever health was heard.
  std::optional<Time> until(const Policy& policy) const;

  // A release runs from now on. by_itself: since the one before did not pass; then that is not kept
  // as a place to go back to. probation zero: permanent at once.
  Back took_over(const Policy& policy, Origin origin, bool by_itself, Time now, Duration probation);
  // The provisional release is dead: the one to go back to is started, and nothing is behind it.
  void went_back() { saved_ = {}; }
  void commit();
  // More of the sessions have come to it: its time begins anew.
  void begin_again(Time now, Duration probation);
  // There is nothing to go back to any more: its file is gone.
  void lose_back();

  void heard(bool healthy, const std::string& why);
  // The process was asked something, and has answered.
  void asked(Time now);
  void answered();
  // Whether it has said itself that it owns the sessions, or only the release before said so.
  void said_owner(bool itself) { said_owner_ = itself; }
  // A process of it has died, and its sessions go on in another. Once may be anybody's fault.
  void died(const std::string& how);
  // The service's own errors, in all.
  void counted(const Policy& policy, std::uint64_t errors);

  enum class Verdict { kOpen, kPassed, kFailed };
  // ends: its time may be over; not while more of the sessions are to come to it.
  Verdict verdict(const Policy& policy, Time now, bool ends = true);
  // Why it was kFailed.
  const std::string& why() const { return why_; }

  friend bool operator==(const Probation&, const Probation&) = default;

 private:
  void begin(const Policy& policy, Time now, Duration probation);
  bool heard_nothing() const { return !well_ && failed_ == 0; }

  Saved saved_;
  bool well_ = false;   // by what was heard last
  int failed_ = 0;      // times in a row
  bool erred_ = false;  // more often than it may, or its processes die
  bool said_owner_ = true;
  bool answered_ = false;      // at least once
  std::optional<Time> asked_;  // the oldest question that is not answered
  std::string why_;
};

}  // namespace handoff::supervisor
