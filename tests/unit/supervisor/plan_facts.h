// What a rehearsal has found of a chat, for tests of plans.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "supervisor/core/plan.h"

namespace handoff::supervisor {

using protocol::Kind;
using protocol::Manifest;

inline Kind session(std::uint32_t version, std::vector<std::uint32_t> reads,
                    std::vector<std::uint32_t> writes) {
  return {"session", false, version, std::move(reads), std::move(writes)};
}
inline Kind section(const char* name, std::vector<std::uint32_t> reads,
                    std::vector<std::uint32_t> writes) {
  return {name, true, 0, std::move(reads), std::move(writes)};
}

inline Manifest old_release() {
  return {"chat", "1.0", {session(1, {1}, {1})}, {{"public", "tcp:127.0.0.1:7000", 1, 2}}};
}
inline Manifest new_release() {
  return {"chat", "2.0", {session(2, {1, 2}, {1, 2})}, {{"public", "tcp:127.0.0.1:0"}}};
}

// A rehearsal in which nothing went wrong: 1,000 sessions, ten of them in motion.
inline PlanFacts good() {
  PlanFacts facts;
  facts.report.result = Report::Result::kRehearsed;
  facts.report.rehearsal = true;
  facts.donor = protocol::Rehearsed{.complete = true,
                                    .sessions = 1000,
                                    .passed = 1000,
                                    .spent_ns = 4'000'000,
                                    .unsettled = 10,
                                    .rss = 30'000'000,
                                    .round_trip_ns = 50'000};
  facts.heir = protocol::Rehearsed{.complete = true,
                                   .from = old_release(),
                                   .to = new_release(),
                                   .sessions = 1000,
                                   .passed = 1000,
                                   .amounts = {{"session", false, 1000, 64000}},
                                   .spent_ns = 2'000'000,
                                   .finish_ns = 30'000,
                                   .early = true,
                                   .rss = 9'000'000,
                                   .pss = 7'000'000};
  facts.memory = {{.of = "the host", .most = 3'000'000'000, .used = 2'000'000'000},
                  {.of = "control group /roomy", .most = 3'000'000'000, .used = 1'000'000'000}};
  facts.donor_rss = 29'000'000;
  return facts;
}
inline Plan plan(const PlanFacts& facts) { return make_plan(facts, "chat", "2.0"); }

}  // namespace handoff::supervisor
