// One operation of a service as one value: an upgrade, a restart, a rollback, a plan, or the way
// back of a release that did not pass its probation. Each step carries what belongs to it, its
// request first, so a step without its request can't be written down.
//
// - Opening: the release is being opened. Handoff is next, or Fresh where nothing runs, or first
//   GivingWay where a process is only starting.
// - GivingWay: a process that has not come up is being ended. Fresh is next.
// - Handoff: an heir takes over from the process that runs, or, if that has died, from the reader
// of
//   its vault: a recovery, for which nobody has asked. Replacing is next if a way back fails.
// - Fresh: a process is started where none ran.
// - Replacing: a release that can't hand over is being ended. The release before is started next.
#pragma once

#include <optional>
#include <variant>

#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {

// What the release on trial is to the service; none where the process is of the release that ran.
using Candidate = std::optional<Probation::Origin>;

// The process that would have handed over died before a handoff began.
struct DeadDonor {
  Generation generation = 0;
  std::string how;             // it ended; "" if none did
  std::uint64_t sessions = 0;  // that it had, as counted last

  // What the operation came to, with this loss.
  void add_to(Report& report) const;
};

struct Opening {
  HandoffRequested request;
  Time asked{};
  bool by_itself = false;  // nobody asked: the release that runs did not pass its probation
  Generation donor = 0;    // who ran when it was asked for; 0: nobody
};

struct GivingWay {
  Opening asked;
  Candidate candidate;
};

struct Handoff {
  Upgrade upgrade;
  HandoffRequested request;
  Candidate candidate;  // until it has taken over
  Duration opened{};    // how long the release took to open
  bool by_itself = false;
  DeadDonor dead = {};
  std::optional<HealthHeard> health = {};  // what the heir said of itself before it was believed
  std::string one_way = {};                // as Report's
  bool from_vault = false;                 // a recovery: its donor is the vault's reader

  Direction direction() const;
  // Somebody has asked to go back, or nobody was asked.
  bool goes_back() const { return by_itself || request.to == Probation::Origin::kBack; }
};

// A start that somebody waits for.
struct Fresh {
  HandoffRequested request;
  Candidate candidate;
  Duration opened{};
  Time begun{};
  bool backing_off = false;  // if it fails, what ran before is started soon
  DeadDonor dead = {};
  Duration registered{};     // after how long it was ready
  bool turned_away = false;  // its process is not what it was to be, and is being ended
  std::string code;          // why it failed, as soon as that is known
  std::string why;

  void fail(std::string its_code, std::string its_why);
  // The process has gone: what it came to, unless somebody has said why before. too_late: why it
  // was ended (not_ready()), "" if it ended by itself.
  void ended(const std::string& code, const std::string& how, const std::string& too_late);
  Report done(Generation generation, Time now) const;
  Report failed(Generation generation) const;
};

struct Replacing {};

class Operation {
 public:
  using Step = std::variant<std::monostate, Opening, GivingWay, Handoff, Fresh, Replacing>;

  Operation() = default;
  Operation(Step step) : step_(std::move(step)) {}

  bool none() const { return std::holds_alternative<std::monostate>(step_); }
  bool replacing() const { return std::holds_alternative<Replacing>(step_); }
  // The step, or null if it is at another one.
  const Opening* opening() const { return std::get_if<Opening>(&step_); }
  const GivingWay* giving_way() const { return std::get_if<GivingWay>(&step_); }
  const Handoff* handoff() const { return std::get_if<Handoff>(&step_); }
  const Fresh* fresh() const { return std::get_if<Fresh>(&step_); }
  Handoff* handoff() { return std::get_if<Handoff>(&step_); }
  Fresh* fresh() { return std::get_if<Fresh>(&step_); }

  bool rehearsal() const;
  // The supervisor begins, and starts what was chosen: nobody has asked.
  bool by_start() const;
  bool recovery() const { return handoff() != nullptr && handoff()->from_vault; }
  // The service goes back without being asked to.
  bool by_itself() const;
  // Why nothing else can begin; nothing if there is no operation.
  std::optional<Refuse> refusal(const std::string& service) const;
  // Likewise, of a service that recovers.
  static Refuse recovers(const std::string& service);

 private:
  Step step_;
};

}  // namespace handoff::supervisor
