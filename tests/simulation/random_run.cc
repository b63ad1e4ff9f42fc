#include "random_run.h"

#include <algorithm>
#include <random>

namespace handoff::simulation {
namespace {

using K = Step::Kind;

constexpr int kHandoffs = 6;
constexpr std::size_t kManySteps = 20'000;  // no run is that long unless it never ends
constexpr Limits kLimits{.deaths = 4, .hangs = 4, .refusals = 3, .cancels = 3};

class Runner {
 public:
  Runner(const Simulation& simulation, std::uint64_t seed, bool keep)
      : simulation_(simulation), random_(seed), keep_(keep) {
    sessions_ = static_cast<std::uint8_t>(pick(kMaxSessions + 1));
    shared_ = pick(4) == 0;
    unmovable_ = static_cast<core::Unmovable>(pick(3));
    calm_ = static_cast<unsigned>(std::size_t{2} << pick(6));
    haste_ = static_cast<unsigned>(pick(4));
  }

  RandomRun run() {
    World world(sessions_, kLimits, shared_, unmovable_);
    begin(world);
    while (!out_.violation) {
      out_.violation = simulation_.violation(world);
      if (out_.violation || !advance(world)) break;
      if (++out_.steps == kManySteps) out_.violation = "the run never ends";
    }
    return std::move(out_);
  }

 private:
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void begin(World& world) {
    ++out_.handoffs;
    note("-- handoff " + std::to_string(out_.handoffs) + ", " + std::to_string(world.sessions) +
         " sessions");
  }

  // false: the run is at its end.
  bool advance(World& world) {
    steps_.clear();
    simulation_.steps(world, steps_);
    const bool ended = std::none_of(steps_.begin(), steps_.end(),
                                    [](const Step& step) { return step.required(); });
    if (ended) {
      out_.violation = simulation_.violation_at_end(world);
      if (out_.violation) return false;
      if (another(world)) return true;
      const bool asleep = world.donor.hung || world.heir.hung || world.supervisor.hung;
      if (!asleep || pick(4) == 0) return false;  // some hang for ever
    }
    take(world, choose(world));
    return true;
  }

  // Begins another handoff with one process that serves all sessions: the survivor, or, if there is
  // none, a service that was started anew.
  bool another(World& world) {
    const bool donor_serves =
        world.donor.acts() && !world.donor.retired && world.donor_end == DonorEnd::kClosed;
    const bool heir_serves = world.heir.acts() && world.heir.runs;
    const bool one_is_left = donor_serves ? !world.heir.alive : !world.donor.alive;
    if (!world.supervisor.over || !one_is_left || (world.heir.alive && !heir_serves)) return false;
    if (out_.handoffs == kHandoffs) return false;
    world = World(sessions_, world.left, shared_, unmovable_);
    begin(world);
    return true;
  }

  unsigned weight(const Step& step) const {
    switch (step.kind) {
      case K::kDonorTimer:
      case K::kHeirTimer:
      case K::kSupervisorTimer:
        return haste_;  // 0: only if nothing else can happen
      case K::kDonorMoves:
      case K::kHeirMoves:
        return calm_;
      case K::kDonorWakes:
      case K::kHeirWakes:
      case K::kSupervisorWakes:
        return calm_ / 4U + 1U;
      default:
        return step.required() ? 4U * calm_ : 1U;
    }
  }

  Step choose(const World& world) {
    std::size_t total = 0;
    for (const Step& step : steps_) total += weight(step);
    Step chosen = steps_[pick(steps_.size())];
    if (total > 0) {
      std::size_t at = pick(total);
      for (const Step& step : steps_) {
        if (at < weight(step)) {
          chosen = step;
          break;
        }
        at -= weight(step);
      }
    }
    const bool mishap = pick(4U * calm_ + 4U) == 0;
    if (mishap && world.left.deaths > 0 && pick(2) == 0) {
      chosen.cut = static_cast<std::uint8_t>(1 + pick(2));
    } else if (mishap) {
      const auto refusal = unmovable_ != core::Unmovable::kRefuse && pick(2) == 0
                               ? Step::Refusal::kSession
                           : pick(2) == 0 ? Step::Refusal::kMessage
                                          : Step::Refusal::kRestore;
      if (can_refuse(world, chosen, refusal)) chosen.refusal = refusal;
    }
    return chosen;
  }

  void take(World& world, Step step) {
    const World before = world;
    const auto taken = simulation_.take(world, step);
    if (!keep_) return;
    // The death or the refusal that the step asked for may not have come about.
    if (world.left.deaths == before.left.deaths) step.cut = 0;
    if (!taken.refused) step.refusal = Step::Refusal::kNone;
    note(describe(before, step) + situation(world));
  }

  std::string situation(const World& world) const {
    const Machines& machines = simulation_.setting().machines;
    std::string text = "   [donor ";
    if (!world.donor.alive) {
      text += "dead";
    } else if (world.donor.donating) {
      text += machines.donor(world.donor.machine).state() == core::DonorState::kServing
                  ? "Serving"
                  : std::string(core::name(machines.donor(world.donor.machine).state()));
    } else {
      text += world.donor.retired ? "retired" : "serves";
    }
    text += ", heir ";
    text += !world.heir.alive ? "dead"
                              : std::string(core::name(machines.heir(world.heir.machine).state()));
    text += ", supervisor ";
    if (!world.supervisor.alive) {
      text += "dead";
    } else if (world.supervisor.over) {
      text += "Over";
    } else {
      text += name(machines.upgrade(world.supervisor.machine).state());
    }
    return text + "]";
  }

  void note(std::string line) {
    if (keep_) out_.transcript.push_back(std::move(line));
  }

  const Simulation& simulation_;
  std::mt19937_64 random_;
  bool keep_;
  std::uint8_t sessions_ = 0;
  bool shared_ = false;
  core::Unmovable unmovable_ = core::Unmovable::kRefuse;
  unsigned calm_ = 1;   // how much likelier than a fault anything else is
  unsigned haste_ = 1;  // how early timers fire
  std::vector<Step> steps_;
  RandomRun out_;
};

}  // namespace

RandomRun run_randomly(const Simulation& simulation, std::uint64_t seed, bool keep_transcript) {
  return Runner(simulation, seed, keep_transcript).run();
}

std::string show(const RandomRun& run) {
  std::string text = run.violation.value_or("nothing");
  for (const std::string& line : run.transcript) text += "\n  " + line;
  return text;
}

}  // namespace handoff::simulation
