// A world of one donor, one heir and the channel between them, around the real state machines:
// every message, timer, death, hang and move of a byte is a separate step, and who explores it
// decides which comes next.
//
// Time is left out: a timer may fire whenever one is set. What is safe without any assumption about
// time is safe with it. What the shell (io/) does is modelled after it, effect by effect; what it
// must not do can be seeded as a Bug.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/donor.h"
#include "core/heir.h"

namespace handoff::simulation {

enum class Bug : std::uint8_t {
  kNone,
  kRunBeforeResumed,       // the heir reads before it has said Resumed
  kThawWithoutFence,       // the donor takes the sockets back while the heir may still act
  kThawWithoutReadingOut,  // ... without a last look for Resumed
  kReleaseBeforePrepared,
  kEofIsReleaseTooEarly,  // EOF taken as Release before Prepare is complete
  kTakeOverWithoutExit,   // EOF taken as Release from a donor that still runs
  kLostDelta,
  kNoFreeze,             // the donor serves on while its delta is under way
  kCloseInsteadOfAbort,  // gives up by closing the channel
  kThawDespiteResumed,
  kServeStale,   // the heir keeps sessions that have moved since their snapshot
  kIgnoreAbort,  // the heir takes over although an Abort came
};
inline constexpr int kBugs = 13;
const char* name(Bug bug);

enum class Message : std::uint8_t {
  kHello,
  kListeners,
  kSessions,
  kCopyEnd,
  kPrepare,
  kRelease,
  kAbort,  // donor
  kHelloBack,
  kCopied,
  kPrepared,
  kResumed,  // heir; kAbort, too
};

struct Packet {
  Message message;
  std::vector<std::uint8_t> versions;  // kSessions: of each session, how often it had moved
  friend bool operator==(const Packet&, const Packet&) = default;
};

struct Process {
  bool alive = true;
  bool hung = false;
  bool open = true;        // its end of the channel
  bool exit_seen = false;  // by the other, on the pidfd
  bool eof_seen = false;   // by this one
  friend bool operator==(const Process&, const Process&) = default;
};

// One thing that can happen next.
struct Step {
  enum class Kind : std::uint8_t {
    kDonorSends,
    kDonorReceives,
    kDonorSeesExit,
    kDonorTimer,
    kDonorMoves,
    kHeirReceives,
    kHeirSeesExit,
    kHeirTimer,
    kHeirMoves,
    kHeirRefuses,
    kDonorDies,
    kHeirDies,
    kDonorHangs,
    kHeirHangs,
    kDonorWakes,
    kHeirWakes,
  };
  Kind kind;
  std::uint8_t session = 0;
};
std::string describe(const Step& step);

struct Limits {
  int sessions = 1;
  int moves = 2;  // of bytes, on all sessions together
  int deaths = 2;
  int hangs = 1;
  int refusals = 1;
};

class World {
 public:
  World(Bug bug, Limits limits);

  std::vector<Step> steps() const;
  void take(const Step& step);
  // What is wrong in this state; nullopt if nothing is.
  std::optional<std::string> violation() const;
  // What is wrong if nothing but faults can happen any more.
  std::optional<std::string> violation_at_end() const;

  std::size_t hash() const;
  friend bool operator==(const World& a, const World& b);

 private:
  void donor_event(core::DonorEvent event);
  void donor_effect(core::DonorEffect effect);
  void donor_receive();
  void heir_event(core::HeirEvent event);
  void heir_effect(core::HeirEffect effect);
  void heir_receive();
  core::HeirEvent understand(const Packet& packet);
  void die(Process& process);
  void to_heir(Packet packet);
  void to_donor(Message message);
  bool donor_may_touch() const;
  bool heir_may_touch() const;
  bool donor_believes_in(std::size_t session) const {
    return donor_knows_[session] == moved_[session];
  }

  Bug bug_;
  Limits limits_;
  core::Donor donor_;
  core::Heir heir_;
  Process donor_process_, heir_process_;
  std::deque<Packet> to_heir_, to_donor_;
  std::deque<Packet> script_;  // what the donor has to send before it goes on
  std::optional<core::DonorEventType> after_script_;
  std::vector<std::uint8_t> moved_;        // the truth: how often each session's bytes moved
  std::vector<std::uint8_t> donor_knows_;  // what the donor's state contains
  std::vector<std::uint8_t> heir_knows_;   // what the heir's staged or own state contains
  std::vector<bool> kept_;                 // by the heir; reset otherwise
  bool heir_runs_ = false;
  bool resumed_sent_ = false;
  bool donor_retired_ = false;
  bool crashed_ = false;  // the owner died: losses are the fault table's
  bool prepare_sent_ = false;
  bool prepared_sent_ = false;
  bool release_sent_ = false;
};

}  // namespace handoff::simulation
