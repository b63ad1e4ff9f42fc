// The handoff as the supervisor follows it, told as timelines. Generation 1 is the donor, 2 the
// heir.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "exits.h"
#include "show.h"
#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {

using namespace std::chrono_literals;

class UpgradeTest : public testing::Test {
 protected:
  using State = Upgrade::State;
  using Turn = Upgrade::Turn;

  UpgradeTest() : upgrade(1, 2, timeouts, at(0ms)) {}

  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    const Upgrade::Step step = upgrade.step(event, at(when));
    if (step.turn != Turn::kUnchanged) turn = step.turn;
    return show(step.effects);
  }
  std::string tick(std::chrono::milliseconds when) { return hear(Tick{}, when); }
  void copy() {
    ASSERT_EQ(hear(Registered{2}, 100ms), "donate 1>2, phase copy");
    ASSERT_EQ(hear(progress(CopyPhase::kCopy, 5, 10), 110ms), "progress");
  }
  // The heir says that it owns the sessions.
  void claim() {
    copy();
    ASSERT_EQ(hear(progress(CopyPhase::kSwitch, 10, 10), 200ms), "phase switch");
    ASSERT_EQ(hear(owned(10, 0), 210ms), "");
    ASSERT_EQ(turn, Turn::kUnchanged);
  }
  // And the donor says it, too.
  void take_over() {
    claim();
    ASSERT_EQ(hear(retired(10), 211ms), "phase retire");
    ASSERT_EQ(turn, Turn::kHeirOwns);
  }
  static Progressed progress(CopyPhase phase, std::uint64_t sent, std::uint64_t total) {
    return {.generation = 1,
            .handoff_id = 2,
            .phase = phase,
            .sessions_sent = sent,
            .sessions_total = total,
            .bytes = sent * 100};
  }
  static Owned owned(std::uint64_t sessions, std::uint64_t lost) {
    return {.generation = 2, .handoff_id = 2, .sessions = sessions, .lost = lost};
  }
  // An heir whose donor has kept some.
  static Owned keeping(std::uint64_t sessions, std::vector<std::uint64_t> kept) {
    Owned out = owned(sessions, 0);
    out.kept = kept.size();
    out.kept_ids = std::move(kept);
    return out;
  }
  static HandoffFailed failed(Generation who, const std::string& code, const std::string& why) {
    return {who, 2, code, why};
  }
  static DonorRetired retired(std::uint64_t sessions) {
    return {.generation = 1, .handoff_id = 2, .sessions = sessions, .bytes = 1000};
  }
  const Report& report() const { return upgrade.report(); }

  static DonorLate late(std::uint64_t waiting) {
    return {.generation = 1, .handoff_id = 2, .waiting = waiting, .linked = true};
  }

  Timeouts timeouts;
  Upgrade upgrade;
  Turn turn = Turn::kUnchanged;
};

}  // namespace handoff::supervisor
