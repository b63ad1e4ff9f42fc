#include "supervisor/core/plan.h"

#include <algorithm>

#include "libhandoff/core/unmovable.h"
#include "supervisor/core/duration.h"

namespace handoff::supervisor {
namespace {

using handoff::core::Kind;
using handoff::core::Manifest;
using handoff::core::Named;

std::string code_name(handoff::core::Code code) {
  switch (code) {
    case handoff::core::Code::kVersion:
      return "version";
    case handoff::core::Code::kUnclaimed:
      return "unclaimed";
    default:
      return "protocol";
  }
}

// All that could be said of the protocol itself has been said by the two: they speak one.
handoff::core::Offer offer(const Manifest& manifest) {
  return {.protocol_min = 1, .protocol_max = 1, .lane = 0, .lanes = 1, .manifest = manifest};
}

const Named* find(const Manifest& in, const std::string& name) {
  const auto found = std::find_if(in.named.begin(), in.named.end(),
                                  [&](const Named& named) { return named.name == name; });
  return found == in.named.end() ? nullptr : &*found;
}

bool like(const Plan::State& a, const Plan::State& b) {
  return a.claimed == b.claimed && a.travels == b.travels && a.from == b.from && a.to == b.to;
}

void compare_states(Plan& plan, const Manifest& from, const Manifest& to) {
  for (const Kind& kind : from.kinds) {
    Plan::State state{.name = handoff::core::own_name(kind),
                      .section = kind.section,
                      .region = kind.region,
                      .from = kind.version};
    if (const Kind* other = handoff::core::find_kind(to, kind)) {
      state.claimed = true;
      state.travels = handoff::core::travels_as(kind, *other);
      state.to = other->version;
      if (kind.section || kind.region) {
        // Its versions are the service's own affair: what is known is how it travels.
        state.from = state.to = state.travels;
      } else if (state.travels != 0) {
        if (state.from != state.travels) {
          state.old_converts = handoff::core::chain_text(state.from, state.travels);
        }
        if (state.to != state.travels) {
          state.new_converts = handoff::core::chain_text(state.travels, state.to);
        }
      }
    }
    // A listener's kind has the versions of the kind "session", which comes first.
    if (kind.listener.empty() || plan.states.empty() || !like(plan.states.front(), state)) {
      plan.states.push_back(std::move(state));
    }
  }
}

void compare_listeners(Plan& plan, const Manifest& from, const Manifest& to,
                       const std::vector<std::string>& held) {
  for (const Named& named : from.named) {
    (find(to, named.name) != nullptr ? plan.matched : plan.missing)
        .push_back({named.name, named.address});
  }
  for (const Named& named : to.named) {
    // A claim that nobody can meet is none: the service goes without that fd, as it did before.
    if (find(from, named.name) == nullptr && !named.address.empty()) {
      const bool has = std::ranges::find(held, named.name) != held.end();
      plan.extra.push_back({named.name, named.address, has});
    }
  }
}

void look_back(Plan& plan, const Manifest& from, const Manifest& to, const PlanFacts& facts) {
  const Manifest* older = !facts.goes_back_past ? &from : facts.back ? &*facts.back : nullptr;
  if (older == nullptr) return;
  WayBack back = handoff::supervisor::way_back(to, *older, facts.drain_incompatible);
  plan.way_back = back.against.empty();
  plan.back_to = older->release;
  plan.no_way_back = std::move(back.against);
  plan.once_rewritten = std::move(back.once_rewritten);
}

void find_left(Plan& plan, const PlanFacts& facts) {
  if (!facts.donor) return;
  for (const core::LeftOut& one : facts.donor->left_out) {
    const bool held = std::ranges::find(facts.held, one.name) != facts.held.end();
    plan.left.push_back({one, fate_of(one, facts.unclaimed, held)});
  }
}

std::uint64_t each(std::uint64_t ns, std::uint64_t count) { return count == 0 ? 0 : ns / count; }

// A freeze at the moment of the rehearsal would have saved what was unsettled then. An heir that
// restores early would restore those, any other all of them.
void estimate_switch(Plan& plan, const protocol::Rehearsed& donor,
                     const protocol::Rehearsed& heir) {
  if (donor.sections_unsettled) {
    plan.no_estimate = "sections change as fast as they are copied";
    return;
  }
  Plan::Switch out;
  out.saved = donor.unsettled;
  out.save_ns = each(donor.spent_ns, donor.passed);
  out.restored = heir.early ? std::min(donor.unsettled, heir.sessions) : heir.sessions;
  // An heir from before says what all of them took.
  out.restore_ns =
      heir.typical_ns != 0 ? heir.typical_ns : each(heir.spent_ns, heir.passed + heir.refused);
  out.finish_ns = heir.finish_ns;
  out.round_trip_ns = donor.round_trip_ns;
  out.sections_ns = donor.sections_ns;
  out.us = (out.saved * out.save_ns + out.restored * out.restore_ns + out.sections_ns +
            out.finish_ns + 2 * out.round_trip_ns) /
           1000;
  plan.switching = out;
}

void count(Plan& plan, const protocol::Rehearsed& heir,
           const std::optional<protocol::Rehearsed>& donor) {
  plan.move = heir.passed;
  plan.wait = heir.busy + (donor ? donor->busy : 0);
  if (donor) {
    plan.staying = donor->staying;
    plan.untried = donor->untried;
    plan.move += donor->untried;
  }
  plan.wait -= std::min(plan.wait, handoff::core::count(plan.staying));
  plan.refused = heir.refused + (donor ? donor->refused : 0);
  plan.amounts = heir.amounts;
  for (const protocol::Amount& amount : heir.amounts) {
    (amount.section  ? plan.section_bytes
     : amount.region ? plan.region_bytes
                     : plan.session_bytes) += amount.bytes;
  }
  const auto take = [&plan](const protocol::Rehearsed& side, bool by_new) {
    for (const protocol::Finding& finding : side.findings) {
      if (finding.session == 0) continue;
      if (plan.examples.size() < 10) plan.examples.push_back({finding, by_new});
    }
  };
  if (donor) take(*donor, false);
  take(heir, true);
  if (!donor) return;
  // What would not fit into the freeze has passed the rehearsal.
  plan.too_large = std::min(donor->too_large, plan.move);
  if (handoff::core::is_the_releases_fault(heir.refused, heir.sessions)) return;
  const std::uint64_t unmovable = plan.refused + plan.too_large;
  if (donor->unmovable == handoff::core::Unmovable::kLate) plan.stay = unmovable;
  if (donor->unmovable == handoff::core::Unmovable::kClose) plan.close = unmovable;
  if (donor->unmovable != handoff::core::Unmovable::kRefuse) plan.move -= plan.too_large;
}

void weigh(Plan& plan, const PlanFacts& facts) {
  if (const MemoryLevel* least = tightest(facts.memory)) {
    plan.free_memory = free_of(*least);
    plan.free_memory_of = least->of;
  }
  if (!facts.heir || facts.heir->rss == 0) {
    if (facts.donor_own != 0) plan.needed_memory = facts.donor_own;
    plan.memory_guessed = plan.needed_memory.has_value();
    return;
  }
  std::uint64_t needed = facts.heir->pss != 0 ? facts.heir->pss : facts.heir->rss;
  if (facts.donor && facts.donor->rss > facts.donor_rss && facts.donor_rss != 0) {
    needed += facts.donor->rss - facts.donor_rss;
  }
  plan.needed_memory = needed;
}

std::string sessions(std::uint64_t number) {
  return std::to_string(number) + (number == 1 ? " session" : " sessions");
}

std::string why_none_stays(const PlanFacts& facts) {
  const bool says = facts.donor && !facts.donor->not_late.empty();
  return says ? "; it can't stay, since " + facts.donor->not_late : "";
}

void find_problems(Plan& plan, const PlanFacts& facts) {
  const auto add = [&plan](std::string code, std::string text) {
    plan.problems.push_back({std::move(code), std::move(text)});
  };
  if (facts.heir && facts.heir->from && facts.heir->to) {
    handoff::core::Offer from = offer(*facts.heir->from);
    handoff::core::Offer to = offer(*facts.heir->to);
    from.links = to.links = true;
    from.drain_incompatible = facts.drain_incompatible;
    for (const auto& reason : handoff::core::mismatches(from, to)) {
      add(code_name(reason.code), reason.text);
    }
  }
  const bool rehearsed = facts.report.result == Report::Result::kRehearsed;
  if (facts.report.result == Report::Result::kDone) {
    add("protocol", "the new release has taken over, although this was a rehearsal");
    return;
  }
  if (!rehearsed && plan.problems.empty()) add(facts.report.code, facts.report.message);
  const bool goes_on = plan.stay + plan.close > 0;
  if (plan.refused > 0 && !goes_on) {
    std::string text = sessions(plan.refused) + " of " + std::to_string(plan.move + plan.refused) +
                       " would be refused";
    if (!plan.examples.empty()) text += ": " + plan.examples.front().reason;
    add("rejected", text + why_none_stays(facts));
  } else if (plan.too_large > 0 && !goes_on) {
    std::string text = sessions(plan.too_large) + " would not fit into the freeze";
    if (!plan.examples.empty()) text += ": " + plan.examples.front().reason;
    add("timeout", text + why_none_stays(facts));
  }
  for (const auto* side : {&facts.donor, &facts.heir}) {
    if (!*side) continue;
    for (const protocol::Finding& finding : (*side)->findings) {
      if (finding.session == 0) add("rejected", finding.what + ": " + finding.reason);
    }
  }
  if (plan.problems.empty() && !facts.report.one_way.empty() && !facts.one_way) {
    add("one_way", facts.report.one_way + "; --one-way does it all the same");
  }
  // The donor keeps a fifth of the budget for the heir's last word.
  const std::uint64_t left = plan.budget_us / 5 * 4;
  if (rehearsed && plan.switching && plan.switching->us > left) {
    const auto us = [](std::uint64_t value) {
      return format_duration(std::chrono::microseconds(value));
    };
    add("timeout", "the switch would take about " + us(plan.switching->us) +
                       ", and the freeze budget of " + us(plan.budget_us) + " leaves it " +
                       us(left) + ": --freeze-budget gives it more");
  }
}

// What the new release does not claim, and that nobody can go back to the old one.
std::string drawbacks(const Plan& plan, const std::string& one_way) {
  std::string out;
  for (const Plan::Left& left : plan.left) {
    out += (out.empty() ? " The new release does not claim all that there is: " : "; ") +
           handoff::supervisor::tell(left.what, left.fate);
  }
  if (!out.empty()) out += ".";
  if (one_way.empty()) return out;
  return out + " It is one-way: " + one_way +
         ". If it does not pass its probation, the old release is started from nothing, and the "
         "sessions end.";
}

// Whom the upgrade would cut off, as the object of a sentence.
std::string disconnected(const Plan& plan, bool keeps_late) {
  std::string out;
  if (!plan.staying.empty() && !keeps_late) {
    out = handoff::core::describe(plan.staying) + ", when the drain is over";
  }
  if (plan.close > 0) {
    out += (out.empty() ? "" : "; and ") + sessions(plan.close) + " that can't be moved";
  }
  return out.empty() ? "nobody" : out;
}

std::string tell(const Plan& plan, const PlanFacts& facts, const std::string& service,
                 const std::string& release) {
  const Report& report = facts.report;
  // Things that have happened, and not because of a plan.
  if (report.result == Report::Result::kDone) {
    return "Take care: " + plan.problems.front().text + ".";
  }
  if (report.result == Report::Result::kLost) {
    return service + " died by itself during the rehearsal, which says nothing of the upgrade: " +
           report.message + ".";
  }
  if (!plan.problems.empty() && plan.problems.front().code == "one_way") {
    return "An upgrade of " + service + " would be refused: " + plan.problems.front().text + ".";
  }
  if (!plan.problems.empty()) {
    return "An upgrade of " + service +
           " would fail, and its users would notice nothing: " + plan.problems.front().text + ".";
  }
  const std::string to = release.empty() ? "the new release" : "release " + release;
  std::string text = "An upgrade of " + service + " to " + to + " would ";
  const std::string more = drawbacks(plan, report.one_way);
  const std::uint64_t staying = handoff::core::count(plan.staying);
  if (plan.move + plan.wait + plan.stay + plan.close + staying == 0) {
    return text + "be noticed by nobody: nobody is connected." + more;
  }
  std::uint64_t late = 0;
  for (const Plan::Left& left : plan.left) late += left.what.sessions;
  const std::uint64_t idle = plan.wait - std::min(plan.wait, late);
  text += "disconnect " + disconnected(plan, facts.keeps_late) + ": ";
  text += sessions(plan.move) + " would move";
  if (plan.untried > 0) {
    text += " (" + std::to_string(plan.untried) + " could not be tried)";
  }
  if (idle > 0) {
    text += ", " + std::to_string(idle) + " would stay with the old release until idle";
  }
  if (plan.wait > idle) {
    text +=
        ", " + std::to_string(plan.wait - idle) + " would stay with the old release until they end";
  }
  if (plan.stay > 0) {
    text +=
        ", " + std::to_string(plan.stay) + " that can't be moved would stay with the old release";
  }
  if (staying > 0 && facts.keeps_late) {
    text += ", " + std::to_string(staying) + " would stay with the old release until they end (" +
            handoff::core::reasons(plan.staying) + ")";
  }
  if (plan.switching) {
    text += ", after a pause of about " +
            format_duration(std::chrono::microseconds(plan.switching->us)) +
            " and as long as it takes to take them up";
  }
  if (!plan.no_estimate.empty()) {
    text += ", after a pause of which nothing can be told: " + plan.no_estimate;
  }
  return text + "." + more;
}

}  // namespace

Plan make_plan(const PlanFacts& facts, const std::string& service, const std::string& release) {
  Plan plan;
  plan.last = facts.last;
  plan.elsewhere = facts.elsewhere;
  plan.budget_us = static_cast<std::uint64_t>(to_us(facts.timeouts.freeze_budget));
  if (facts.heir) {
    if (facts.heir->from && facts.heir->to) {
      compare_states(plan, *facts.heir->from, *facts.heir->to);
      compare_listeners(plan, *facts.heir->from, *facts.heir->to, facts.held);
      look_back(plan, *facts.heir->from, *facts.heir->to, facts);
    }
    plan.tried = facts.heir->complete;
    if (plan.tried) count(plan, *facts.heir, facts.donor);
    if (plan.tried && facts.donor) estimate_switch(plan, *facts.donor, *facts.heir);
  }
  find_left(plan, facts);
  weigh(plan, facts);
  find_problems(plan, facts);
  plan.sentence = tell(plan, facts, service, release);
  return plan;
}

}  // namespace handoff::supervisor
