// Bugs of the shells, seeded one at a time to see whether the simulation notices each.
#pragma once

#include <cstdint>

namespace handoff::simulation {

enum class Bug : std::uint8_t {
  kNone,
  // donor and heir
  kRunWithoutClaim,         // the heir reads when it is released, without the ownership word
  kThawWithoutClaim,        // the donor takes the sockets back, without the ownership word
  kDonorClaimsWhatIsTaken,  // the donor takes the word from its heir
  kReleaseBeforePrepared,
  kEofIsReleaseTooEarly,   // EOF taken as Release before Prepare is complete
  kHeirClaimsWhatIsTaken,  // the heir takes the word from its donor
  kLostDelta,
  kNoFreeze,             // the donor serves on while its delta is under way
  kCloseInsteadOfAbort,  // gives up by closing the channel
  kThawDespiteLost,      // the donor thaws although its heir took the word
  kRunDespiteLost,       // the heir runs although its donor took the word
  kKeepWithoutExit,      // an heir that came too late takes a donor that serves for dead
  kServeStale,           // the heir keeps sessions that have moved since their snapshot
  kIgnoreAbort,          // the heir takes over although an Abort came
  kThawForgotten,        // the donor gives up and its service stays frozen
  kNoBudget,             // no timer while the donor is frozen
  kChannelLeaked,        // the donor gives up and keeps its channel
  kHeirStays,            // the heir gives up and does not exit
  kCancelBeforeWords,    // the heir obeys a Cancel before it reads what its donor had said
  // sessions that can't be moved
  kRefusalsForgotten,  // the donor does not hear what the heir refuses once it is prepared
  kRefusalsUnread,     // a donor that was too late retires before it has read that
  kRefusedIsKept,      // the heir serves a session that it has refused
  kLeftIsNotClosed,    // the heir is not told that a session that it has stays with the donor
  kKeptUntold,         // the heir does not say what its donor has kept
  kLateExits,          // a donor with sessions that stay exits as any other
  // supervisor
  kTermBeforeOwner,   // asks the donor to go at the freeze
  kSilenceIsFailure,  // takes silence for a failure and ends the heir
  kDoneOnRegistered,  // an heir that is ready is taken for one that owns
  kTimerBeforeWords,  // believes its timer before it has read what is there
  kDeathIsFailure,    // ends the heir of a donor that died
  kCancelEndsHeir,    // obeys its operator by ending the heir, whatever it has
  kKillForgotten,     // never ends a process that must go
};
inline constexpr int kBugs = 33;
const char* name(Bug bug);

}  // namespace handoff::simulation
