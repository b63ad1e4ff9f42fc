// What a shell must not do, seeded one at a time, to see whether the simulation would notice.
#pragma once

#include <cstdint>

namespace handoff::simulation {

enum class Bug : std::uint8_t {
  kNone,
  // donor and heir
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
  kServeStale,         // the heir keeps sessions that have moved since their snapshot
  kIgnoreAbort,        // the heir takes over although an Abort came
  kThawForgotten,      // the donor gives up and its service stays frozen
  kNoBudget,           // no timer while the donor is frozen
  kChannelLeaked,      // the donor gives up and keeps its channel
  kHeirStays,          // the heir gives up and does not exit
  kCancelBeforeWords,  // the heir obeys a Cancel before it reads what its donor had said
  // supervisor
  kTermBeforeOwner,   // asks the donor to go at the freeze
  kSilenceIsFailure,  // takes silence for a failure and ends the heir
  kDoneOnRegistered,  // an heir that is ready is taken for one that owns
  kTimerBeforeWords,  // believes its timer before it has read what is there
  kDeathIsFailure,    // ends the heir of a donor that died
  kCancelEndsHeir,    // obeys its operator by ending the heir, whatever it has
  kKillForgotten,     // never ends who must go
};
inline constexpr int kBugs = 25;
const char* name(Bug bug);

}  // namespace handoff::simulation
