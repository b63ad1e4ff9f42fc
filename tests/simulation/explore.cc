#include "explore.h"

#include <algorithm>
#include <unordered_map>

namespace handoff::simulation {
namespace {

using Refusal = Step::Refusal;

// What is known of a state: while it is on the way to the state under examination, only that;
// later, how many runs begin in it.
struct Known {
  double runs = 0;
  bool on_the_way = true;
};

class Explorer {
 public:
  explicit Explorer(const Simulation& simulation) : simulation_(simulation) {}

  Explored run(const World& from) {
    const Known* first = enter(from);
    while (!out_.violation && !stack_.empty()) {
      Frame& top = stack_.back();
      if (top.next == top.steps.size()) {
        leave();
      } else {
        advance(top);
      }
    }
    out_.runs = first->runs;
    return finish();
  }

 private:
  struct Frame {
    World world;
    Known* known;
    std::vector<Step> steps;
    std::size_t next = 0;
  };

  Known* enter(const World& world) {
    const auto [it, fresh] = seen_.try_emplace(key_of(world));
    Known& known = it->second;
    if (!fresh) {
      if (known.on_the_way) out_.violation = "the run goes round in circles";
      return &known;
    }
    out_.violation = simulation_.violation(world);
    Frame frame{world, &known, {}};
    simulation_.steps(world, frame.steps);
    if (std::none_of(frame.steps.begin(), frame.steps.end(),
                     [](const Step& step) { return step.required(); })) {
      ++out_.ends;
      out_.switched += heir_touches(world) && world.donor.retired ? 1U : 0U;
      out_.donor_serves += donor_touches(world) ? 1U : 0U;
      known.runs = 1;
      if (!out_.violation) out_.violation = simulation_.violation_at_end(world);
    }
    add_refusals(frame);
    stack_.push_back(std::move(frame));
    out_.depth = std::max(out_.depth, stack_.size());
    return &known;
  }

  void leave() {
    Known* known = stack_.back().known;
    known->on_the_way = false;
    stack_.pop_back();
    if (!stack_.empty()) stack_.back().known->runs += known->runs;
  }

  void advance(Frame& top) {
    const Step step = top.steps[top.next++];
    World next = top.world;
    const auto taken = simulation_.take(next, step);
    if (step.refusal != Refusal::kNone && !taken.refused) return;  // the same as without it
    ++out_.steps;
    if (step.cut == 0 && top.world.left.deaths > 0) {
      for (unsigned cut = 1; cut < taken.effects; ++cut) {
        Step variant = step;
        variant.cut = static_cast<std::uint8_t>(cut);
        top.steps.push_back(variant);
      }
    }
    const std::size_t depth = stack_.size();
    const Known* known = enter(next);
    // The runs of a state that is known already are known, too.
    if (stack_.size() == depth) top.known->runs += known->runs;
  }

  static void add_refusals(Frame& frame) {
    const std::size_t plain = frame.steps.size();
    for (std::size_t i = 0; i < plain; ++i) {
      for (const Refusal refusal : {Refusal::kMessage, Refusal::kRestore, Refusal::kSession}) {
        if (!can_refuse(frame.world, frame.steps[i], refusal)) continue;
        Step variant = frame.steps[i];
        variant.refusal = refusal;
        frame.steps.push_back(variant);
      }
    }
  }

  Explored finish() {
    out_.states = seen_.size();
    if (out_.violation) {
      for (const Frame& frame : stack_) {
        if (frame.next > 0) {
          out_.transcript.push_back(describe(frame.world, frame.steps[frame.next - 1]));
        }
      }
    }
    return std::move(out_);
  }

  const Simulation& simulation_;
  std::unordered_map<Key, Known, KeyHash> seen_;
  std::vector<Frame> stack_;
  Explored out_;
};

}  // namespace

Explored explore(const Simulation& simulation, const World& from) {
  return Explorer(simulation).run(from);
}

std::string show(const Explored& explored) {
  std::string text = explored.violation.value_or("nothing");
  for (const std::string& line : explored.transcript) text += "\n  " + line;
  return text;
}

}  // namespace handoff::simulation
