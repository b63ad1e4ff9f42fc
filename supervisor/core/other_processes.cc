#include "supervisor/core/other_processes.h"

#include <utility>

namespace handoff::supervisor {
namespace {

void append(Effects& to, Effects more) {
  for (Effect& effect : more) to.push_back(std::move(effect));
}

}  // namespace

Effects OtherProcesses::prepare(const HandoffRequested& request) {
  Effects out;
  if (const auto step = progressive_.give_back()) {
    out = {Note{Note::Level::kWarning, "generation " + std::to_string(step->owner) +
                                           " gives back the sessions that it has had so far"},
           SendSpread{step->late, 0}, SendSpread{step->owner, 0}};
  }
  progressive_.plan(request.shares, request.pause, request.timeouts.probation);
  return out;
}

Effects OtherProcesses::switched(const Policy& policy, Generation donor, Generation heir,
                                 Time now) {
  progressive_.switched(donor, heir, now);
  return gather(policy, now);
}

void OtherProcesses::handoff_over() {
  if (!progressive_.under_way()) progressive_.end();
}

// A donor serves on with what it has, so the handoff can end without it. It may be heard before
// the heir.
Effects OtherProcesses::on(const DonorLate& late, const Policy& policy, Generation donor,
                           Time now) {
  const bool progressive = progressive_.first() != 0 &&
                           (progressive_.late() == late.generation || donor == late.generation);
  return late_.on(late, policy, now, progressive);
}

Effects OtherProcesses::on(const Exited& exited, const Policy& policy, Time now) {
  Effects out = late_.on(exited);
  if (progressive_.concerns(exited.generation)) {
    progressive_.end();
    append(out, gather(policy, now));
  }
  return out;
}

// Both are told: one gives, and the other gives back what is not its own.
Effects OtherProcesses::next_share(const Policy& policy, Time now) {
  const auto step = progressive_.tick(now);
  if (!step) return {};
  Effects out{Note{Note::Level::kInfo, "now " + std::to_string(step->permille / 10) +
                                           " % of the sessions are generation " +
                                           std::to_string(step->owner) + "'s"},
              SendSpread{step->late, step->permille}, SendSpread{step->owner, step->permille}};
  if (!progressive_.under_way()) append(out, late_.drain(policy, now));
  return out;
}

// There is another owner, or soon will be: whatever was left by shares is its own.
Effects OtherProcesses::gather(const Policy& policy, Time now) {
  Effects out;
  for (const auto& [generation, one] : late_.all()) {
    if (!one.drained && !one.retired && !progressive_.concerns(generation)) {
      out.push_back(SendSpread{generation, 1000});
    }
  }
  if (!progressive_.under_way()) append(out, late_.drain(policy, now));
  return out;
}

}  // namespace handoff::supervisor
