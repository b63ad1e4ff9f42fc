// A world of one donor, one heir, their supervisor, and the sockets between them, at one moment.
// Every message, timer, death, hang and move of a byte is a separate Step; the explorer decides
// which comes next.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "automaton.h"
#include "libhandoff/core/unmovable.h"
#include "mail.h"

namespace handoff::simulation {

inline constexpr std::size_t kMaxSessions = 3;

// What may still go wrong, or be asked for.
struct Limits {
  std::uint8_t deaths = 2;
  std::uint8_t hangs = 1;
  std::uint8_t refusals = 1;  // a save or restore that fails, a Hello that does not suit
  std::uint8_t cancels = 1;   // of the operator
};

struct Process {
  bool alive = true;
  bool hung = false;
  bool full = false;  // hung for so long that its channel takes nothing more
  bool acts() const { return alive && !hung; }
};

struct DonorSide : Process {
  // What the shell reports once the script is sent.
  enum class After : std::uint8_t { kNothing, kRoundSent, kDeltaSent, kReleaseSent };

  Id machine = 0;
  bool donating = false;  // the machine runs; before and after it the donor just serves
  bool frozen = false;    // the service was told not to touch its sockets
  bool retired = false;
  bool late = false;     // retired but for the sessions that stay
  bool termed = false;   // has had SIGTERM
  bool killing = false;  // has decided to end an heir that can't be told
  bool saw_exit = false;
  bool saw_eof = false;
  After after = After::kNothing;
  Mail script;  // to be sent before the machine goes on
  Mail hears;   // from the supervisor
};

struct HeirSide : Process {
  Id machine = 0;
  bool ready = false;  // Register is sent, the machine runs
  bool runs = false;   // the sockets are its own
  bool told = false;   // its loop's first turn has told the supervisor
  bool listeners = false;
  bool failed = false;   // will exit, having touched nothing
  bool killing = false;  // is about to end a donor whose channel is closed
  bool saw_exit = false;
  bool saw_eof = false;
  Mail hears;
};

struct SupervisorSide : Process {
  Id machine = 0;
  bool over = false;  // has concluded; later events are another machine's
  bool saw_donor_exit = false;
  bool saw_heir_exit = false;
  bool counted = false;      // has heard how many sessions there are
  bool owner_heard = false;  // the heir has said Owner
  bool accounted = false;    // the donor has said Retired or Late
  bool heir_owns = false;    // has told the service's machine that the heir owns the sessions
  bool nobody_owns = false;  // has told it that nobody does: the service is started anew
  Mail from_donor, from_heir;
};

// The copies of a session's state, and whether each contains everything that moved on the socket.
struct Session {
  bool donor = true;  // the donor's own
  bool sent = false;  // the last that was sent
  bool heir_has = false;
  bool heir = false;  // the heir's staged or own
  bool kept = false;  // by the heir that runs; reset otherwise
  // Can't be moved, as the donor knows; as the heir does, which may not have said so yet.
  bool stays = false;
  bool refused = false;
  bool told = false;
  bool copied = false;  // the donor has sent it, and not that it stays
};

// The ownership word: the side that has taken it.
enum class OwnershipWord : std::uint8_t { kOpen, kDonor, kHeir };

enum class DonorEnd : std::uint8_t { kWithSupervisor, kInFlight, kHeld, kClosed };

// A step that must not happen, whatever state it leads to.
enum class Breach : std::uint8_t {
  kNone,
  kSupervisorSignalsDonor,
  kSupervisorEndsOwner,
  kHeirEndsServingDonor,
  kDonorEndsOwner,
  kHeirLeavesFrozenDonor,
  kDoneWithoutHeir,
  kDoneButLost,
  kFailedButDonorGone,
  kFailedButHeirRan,
  kLostButNothingIs,
  kLostCount,
  kProcessLeft,
  kNobodyUntold,
};
const char* describe(Breach breach);

struct World {
  explicit World(std::uint8_t how_many = 1, Limits limits = {}, bool share_state = false,
                 core::Unmovable what_stays = core::Unmovable::kRefuse)
      : left(limits), sessions(how_many), shared(share_state), unmovable(what_stays) {}

  DonorSide donor;
  HeirSide heir;
  SupervisorSide supervisor;
  DonorEnd donor_end = DonorEnd::kWithSupervisor;  // of the channel; the heir's lives as it does
  Mail to_heir, to_donor;                          // on the channel
  std::array<Session, kMaxSessions> session;
  OwnershipWord word = OwnershipWord::kOpen;
  Limits left;
  std::uint8_t sessions;
  bool shared;                // the sessions share state, so none may be kept without Prepare
  core::Unmovable unmovable;  // what becomes of a session that can't be moved

  // What has happened so far, for the rules.
  bool listeners_sent = false;
  bool prepare_sent = false;
  bool prepared_sent = false;
  bool release_sent = false;
  bool heir_ran = false;
  bool loss_excused = false;    // the fault table says that sessions may be lost now
  bool orphan_excused = false;  // the fault table says that no owner may be left now
  bool late_died = false;       // a donor with sessions that stayed, by a fault
  Breach breach = Breach::kNone;

  unsigned unsent() const;
  unsigned known_to_heir() const;
  unsigned kept() const;
  unsigned copied() const;
  unsigned staying() const;      // as the donor knows
  unsigned left_behind() const;  // as either knows
  std::uint8_t refusals();       // of the heir that it has not told; it has from here on
  void take_refusals(std::uint8_t bits);

  void donor_dies();
  void heir_dies();
  void supervisor_dies();
};

// A world in few bytes, equal for equal worlds.
struct Key {
  static constexpr std::size_t kBytes = 72;
  std::array<std::uint8_t, kBytes> bytes{};
  friend bool operator==(const Key&, const Key&) = default;
};
Key key_of(const World& world);
struct KeyHash {
  std::size_t operator()(const Key& key) const;
};

// One thing that can happen next.
struct Step {
  enum class Kind : std::uint8_t {
    kDonorHears,
    kDonorSends,
    kDonorReceives,
    kDonorReceivesLate,
    kDonorSeesExit,
    kDonorTimer,
    kDonorKills,
    kDonorExits,
    kHeirIsReady,
    kHeirHears,
    kHeirReceives,
    kHeirSeesExit,
    kHeirTimer,
    kHeirKills,
    kHeirTells,
    kHeirExits,
    kSupervisorHearsDonor,
    kSupervisorHearsHeir,
    kSupervisorSeesDonorExit,
    kSupervisorSeesHeirExit,
    kSupervisorTimer,
    // These need not happen: a run may end where only they are left.
    kDonorMoves,
    kHeirMoves,
    kOperatorCancels,
    kDonorDies,
    kHeirDies,
    kSupervisorDies,
    kDonorHangs,
    kHeirHangs,
    kSupervisorHangs,
    kDonorHangsFull,
    kHeirHangsFull,
    kDonorWakes,
    kHeirWakes,
    kSupervisorWakes,
  };
  enum class Refusal : std::uint8_t { kNone, kMessage, kRestore, kSession };

  Kind kind{};
  std::uint8_t session = 0;          // kDonorMoves, kHeirMoves
  std::uint8_t cut = 0;              // the actor dies in the middle of it, after so many effects
  Refusal refusal = Refusal::kNone;  // the first thing that can be refused in this way is refused

  bool required() const { return kind < Kind::kDonorMoves; }
};
const char* name(Step::Kind kind);
// A line of a transcript, for a step in this world.
std::string describe(const World& world, const Step& step);

}  // namespace handoff::simulation
