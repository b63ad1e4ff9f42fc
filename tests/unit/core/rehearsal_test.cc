// A rehearsal under every sequence of events: it ends, and neither side freezes, fences or takes
// over.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "libhandoff/core/donor.h"
#include "libhandoff/core/heir.h"

namespace handoff::core {
namespace {

constexpr Limits kRehearsal{.stall = 1000, .budget = 100, .rehearsal = true};

// Calls see(machine, effect) for each effect that any sequence of events can bring about, from
// every state that can be reached; returns those states.
template <class Machine, class Event, class See>
std::vector<Machine> explore(int events, See see) {
  Machine start{kRehearsal};
  start.start(0);
  std::vector<Machine> seen{start};
  for (std::size_t next = 0; next < seen.size(); ++next) {
    for (int type = 0; type < events; ++type) {
      Machine machine = seen[next];
      const Time now = machine.deadline().value_or(0);
      for (const auto effect : machine.step(
               Event{.type = static_cast<decltype(Event::type)>(type), .reason = {}}, now)) {
        see(machine, effect);
      }
      // Two machines that differ in their deadlines alone count as one state.
      const auto same = [&](const Machine& other) {
        return other.state() == machine.state() && other.reason() == machine.reason();
      };
      if (std::none_of(seen.begin(), seen.end(), same)) seen.push_back(machine);
    }
  }
  return seen;
}

TEST(RehearsalTest, TheHeirNeverOwnsNeverFencesAndNeverSaysThatItHasACopy) {
  const auto states =
      explore<Heir, HeirEvent>(kHeirEvents, [](const Heir& heir, HeirEffect effect) {
        EXPECT_TRUE(effect == HeirEffect::kSendHello || effect == HeirEffect::kRestore ||
                    effect == HeirEffect::kSendAbort || effect == HeirEffect::kGo)
            << name(effect) << " on the way to " << name(heir.state());
      });
  EXPECT_GT(states.size(), 5U);
  for (const Heir& heir : states) {
    EXPECT_TRUE(heir.state() == HeirState::kWaiting || heir.state() == HeirState::kReceiving ||
                heir.state() == HeirState::kRestoring || heir.state() == HeirState::kFailed)
        << name(heir.state());
  }
}

TEST(RehearsalTest, TheDonorServesAllTheWhile) {
  const auto states =
      explore<Donor, DonorEvent>(kDonorEvents, [](const Donor& donor, DonorEffect effect) {
        EXPECT_TRUE(effect != DonorEffect::kFreeze && effect != DonorEffect::kThaw &&
                    effect != DonorEffect::kSendRelease && effect != DonorEffect::kRetire)
            << name(effect) << " on the way to " << name(donor.state());
      });
  EXPECT_GT(states.size(), 5U);
  for (const Donor& donor : states) EXPECT_TRUE(donor.serving()) << name(donor.state());
}

TEST(RehearsalTest, AnHeirThatHasRestoredEverythingSaysSoAndGoes) {
  Heir heir(kRehearsal);
  heir.start(0);
  heir.step({HeirEventType::kHelloAccepted}, 0);
  heir.step({HeirEventType::kListeners}, 0);
  EXPECT_EQ((std::vector{HeirEffect::kRestore}), heir.step({HeirEventType::kCopyEnd}, 0));
  EXPECT_EQ((std::vector{HeirEffect::kSendAbort, HeirEffect::kGo}),
            heir.step({HeirEventType::kRestored}, 0));
  EXPECT_EQ((Reason{Code::kCancelled, kRehearsed}), heir.reason());
}

TEST(RehearsalTest, ADonorThatIsToldOfACopyAllTheSameDoesNotFreeze) {
  Donor donor(kRehearsal);
  donor.start(0);
  donor.step({DonorEventType::kHelloAccepted}, 0);
  donor.step({DonorEventType::kRoundSent}, 0);
  EXPECT_EQ((std::vector{DonorEffect::kSendAbort}),
            donor.step({.type = DonorEventType::kCopied, .dirty = 0, .sessions = 3}, 0));
  EXPECT_TRUE(donor.serving());
}

TEST(RehearsalTest, AnHeirWhoseDonorDiesLeavesTheServiceToTheSupervisor) {
  Heir heir(kRehearsal);
  heir.start(0);
  heir.step({HeirEventType::kHelloAccepted}, 0);
  heir.step({HeirEventType::kListeners}, 0);
  EXPECT_EQ((std::vector{HeirEffect::kGo}), heir.step({HeirEventType::kPeerExited}, 0));
  EXPECT_EQ(Code::kPeerDied, heir.reason().code);
}

}  // namespace
}  // namespace handoff::core
