#include "world.h"

#include <algorithm>
#include <tuple>

namespace handoff::simulation {

using core::DonorEvent;
using core::DonorState;
using core::HeirEvent;
using core::HeirState;
using DE = core::DonorEventType;
using DF = core::DonorEffect;
using HE = core::HeirEventType;
using HF = core::HeirEffect;
using K = Step::Kind;

const char* name(Bug bug) {
  static constexpr const char* kNames[] = {"None",
                                           "RunBeforeResumed",
                                           "ThawWithoutFence",
                                           "ThawWithoutReadingOut",
                                           "ReleaseBeforePrepared",
                                           "EofIsReleaseTooEarly",
                                           "TakeOverWithoutExit",
                                           "LostDelta",
                                           "NoFreeze",
                                           "CloseInsteadOfAbort",
                                           "ThawDespiteResumed",
                                           "ServeStale",
                                           "IgnoreAbort"};
  static_assert(std::size(kNames) == kBugs);
  return kNames[static_cast<std::size_t>(bug)];
}

std::string describe(const Step& step) {
  static constexpr const char* kNames[] = {"donor sends",
                                           "donor receives",
                                           "donor sees the heir's exit",
                                           "donor's timer",
                                           "donor moves",
                                           "heir receives",
                                           "heir sees the donor's exit",
                                           "heir's timer",
                                           "heir moves",
                                           "heir refuses",
                                           "donor dies",
                                           "heir dies",
                                           "donor hangs",
                                           "heir hangs",
                                           "donor wakes",
                                           "heir wakes"};
  std::string out = kNames[static_cast<std::size_t>(step.kind)];
  if (step.kind == K::kDonorMoves || step.kind == K::kHeirMoves) {
    out += " session " + std::to_string(step.session);
  }
  return out;
}

World::World(Bug bug, Limits limits)
    : bug_(bug),
      limits_(limits),
      donor_(core::Limits{}),
      heir_(core::Limits{}),
      moved_(static_cast<std::size_t>(limits.sessions)),
      donor_knows_(moved_),
      heir_knows_(moved_),
      kept_(moved_.size(), true) {
  donor_.start(0);
  heir_.start(0);
  script_.push_back({Message::kHello, {}});
}

bool World::donor_may_touch() const {
  if (!donor_process_.alive) return false;
  if (bug_ == Bug::kNoFreeze && donor_.state() == DonorState::kFrozen) return true;
  return donor_.serving();
}

bool World::heir_may_touch() const { return heir_process_.alive && heir_runs_; }

void World::die(Process& process) {
  process.alive = false;
  process.hung = false;
  process.open = false;
}

// -- what can happen

std::vector<Step> World::steps() const {
  std::vector<Step> out;
  const bool donor_acts = donor_process_.alive && !donor_process_.hung;
  const bool heir_acts = heir_process_.alive && !heir_process_.hung;
  if (donor_acts) {
    if (!script_.empty() && donor_process_.open) out.push_back({K::kDonorSends});
    if (donor_process_.open && !donor_.finished() &&
        (!to_donor_.empty() || (!heir_process_.open && !donor_process_.eof_seen))) {
      out.push_back({K::kDonorReceives});
    }
    if (!heir_process_.alive && !heir_process_.exit_seen && !donor_.finished()) {
      out.push_back({K::kDonorSeesExit});
    }
    if (donor_.deadline() && !donor_.finished()) out.push_back({K::kDonorTimer});
  }
  if (heir_acts) {
    if (heir_process_.open && !heir_.finished() &&
        (!to_heir_.empty() || (!donor_process_.open && !heir_process_.eof_seen))) {
      out.push_back({K::kHeirReceives});
    }
    if (!donor_process_.alive && !donor_process_.exit_seen && !heir_.finished()) {
      out.push_back({K::kHeirSeesExit});
    }
    if (heir_.deadline() && !heir_.finished()) out.push_back({K::kHeirTimer});
    if (limits_.refusals > 0 && !heir_.finished()) out.push_back({K::kHeirRefuses});
  }
  if (limits_.moves > 0) {
    for (std::size_t s = 0; s < moved_.size(); ++s) {
      const auto session = static_cast<std::uint8_t>(s);
      if (donor_acts && donor_may_touch()) out.push_back({K::kDonorMoves, session});
      if (heir_acts && heir_may_touch() && kept_[s]) out.push_back({K::kHeirMoves, session});
    }
  }
  if (limits_.deaths > 0) {
    if (donor_process_.alive) out.push_back({K::kDonorDies});
    if (heir_process_.alive) out.push_back({K::kHeirDies});
  }
  if (limits_.hangs > 0) {
    if (donor_acts && !donor_.finished()) out.push_back({K::kDonorHangs});
    if (heir_acts && !heir_.finished()) out.push_back({K::kHeirHangs});
  }
  if (donor_process_.hung) out.push_back({K::kDonorWakes});
  if (heir_process_.hung) out.push_back({K::kHeirWakes});
  return out;
}

void World::take(const Step& step) {
  switch (step.kind) {
    case K::kDonorSends: {
      Packet packet = script_.front();
      script_.pop_front();
      // Saved at the moment that it is sent.
      if (packet.message == Message::kSessions) packet.versions = donor_knows_;
      if (packet.message == Message::kPrepare) prepare_sent_ = true;
      if (packet.message == Message::kRelease) release_sent_ = true;
      to_heir(std::move(packet));
      if (!script_.empty() || !after_script_) return;
      const DE event = *after_script_;
      after_script_.reset();
      donor_event({event});
      return;
    }
    case K::kDonorReceives:
      donor_receive();
      return;
    case K::kDonorSeesExit:
      heir_process_.exit_seen = true;
      donor_event({DE::kPeerExited});
      return;
    case K::kDonorTimer:
      // The shell reads what is there before it believes a timer.
      while (!to_donor_.empty() && !donor_.finished() && donor_process_.open) donor_receive();
      if (donor_.deadline()) {
        for (const DF effect : donor_.step({DE::kTimer}, *donor_.deadline())) donor_effect(effect);
      }
      return;
    case K::kDonorMoves:
      --limits_.moves;
      ++moved_[step.session];
      donor_knows_[step.session] = moved_[step.session];
      return;
    case K::kHeirReceives:
      heir_receive();
      return;
    case K::kHeirSeesExit:
      donor_process_.exit_seen = true;
      heir_event({HE::kPeerExited});
      return;
    case K::kHeirTimer:
      while (!to_heir_.empty() && !heir_.finished()) heir_receive();
      if (heir_.deadline()) {
        for (const HF effect : heir_.step({HE::kTimer}, *heir_.deadline())) heir_effect(effect);
      }
      return;
    case K::kHeirMoves:
      --limits_.moves;
      ++moved_[step.session];
      heir_knows_[step.session] = moved_[step.session];
      return;
    case K::kHeirRefuses:
      --limits_.refusals;
      heir_event({HE::kRefused, {core::Code::kRejected, {}}});
      return;
    case K::kDonorDies:
      --limits_.deaths;
      // Until Prepare is on its way it is the owner, frozen or not.
      if (donor_may_touch() || !prepare_sent_) crashed_ = true;
      die(donor_process_);
      return;
    case K::kHeirDies:
      --limits_.deaths;
      if (heir_runs_) crashed_ = true;
      die(heir_process_);
      return;
    case K::kDonorHangs:
      --limits_.hangs;
      donor_process_.hung = true;
      return;
    case K::kHeirHangs:
      --limits_.hangs;
      heir_process_.hung = true;
      return;
    case K::kDonorWakes:
      donor_process_.hung = false;
      return;
    case K::kHeirWakes:
      heir_process_.hung = false;
      return;
  }
}

// -- the donor's shell

void World::to_heir(Packet packet) {
  if (heir_process_.open) to_heir_.push_back(std::move(packet));
}

void World::donor_event(DonorEvent event) {
  if (bug_ == Bug::kReleaseBeforePrepared && event.type == DE::kDeltaSent) {
    donor_.step(event, 0);
    event = {DE::kPrepared};
  }
  if (bug_ == Bug::kThawDespiteResumed && event.type == DE::kResumed &&
      donor_.state() != DonorState::kReleased) {
    return;
  }
  for (const DF effect : donor_.step(event, 0)) donor_effect(effect);
}

void World::donor_receive() {
  if (to_donor_.empty()) {
    donor_process_.eof_seen = true;
    donor_event({DE::kChannelClosed});
    return;
  }
  const Packet packet = to_donor_.front();
  to_donor_.pop_front();
  switch (packet.message) {
    case Message::kHelloBack:
      return donor_event({DE::kHelloAccepted});
    case Message::kCopied: {
      // The more has changed, the more likely another round: 65 sessions' worth for each.
      std::uint64_t dirty = 0;
      for (std::size_t s = 0; s < moved_.size(); ++s) dirty += donor_knows_[s] > 0 ? 65U : 0U;
      return donor_event({DE::kCopied, {}, donor_.round() == 1 ? dirty : 0, dirty});
    }
    case Message::kPrepared:
      return donor_event({DE::kPrepared});
    case Message::kResumed:
      return donor_event({DE::kResumed});
    case Message::kAbort:
      return donor_event({DE::kPeerAborted, {core::Code::kRejected, {}}});
    default:
      return donor_event({DE::kMalformed, {core::Code::kProtocol, {}}});
  }
}

void World::donor_effect(DF effect) {
  switch (effect) {
    case DF::kStartRound:
      if (donor_.round() == 1) script_.push_back({Message::kListeners, {}});
      script_.push_back({Message::kSessions, {}});
      script_.push_back({Message::kCopyEnd, {}});
      after_script_ = DE::kRoundSent;
      return;
    case DF::kFreeze:
      if (bug_ != Bug::kLostDelta) script_.push_back({Message::kSessions, {}});
      script_.push_back({Message::kPrepare, {}});
      after_script_ = DE::kDeltaSent;
      return;
    case DF::kSendRelease:
      script_.push_back({Message::kRelease, {}});
      after_script_ = DE::kReleaseSent;
      return;
    case DF::kThaw:
      script_.clear();
      after_script_.reset();
      return;
    case DF::kSendAbort:
      script_.clear();
      after_script_.reset();
      if (bug_ == Bug::kCloseInsteadOfAbort) {
        donor_event({DE::kAbortSent});
      } else if (!heir_process_.open) {
        donor_event({DE::kChannelClosed});
      } else if (heir_process_.hung) {
        // Its buffer may be full; the harder of the two cases.
        donor_event({DE::kAbortUnsendable});
      } else {
        to_heir({Message::kAbort, {}});
        donor_event({DE::kAbortSent});
      }
      return;
    case DF::kFence:
      if (bug_ == Bug::kThawWithoutFence) {
        donor_event({DE::kPeerExited});
        return;
      }
      if (heir_runs_ && heir_process_.alive) crashed_ = true;
      die(heir_process_);
      return;
    case DF::kReadOut:
      if (bug_ == Bug::kThawWithoutReadingOut) to_donor_.clear();
      while (!to_donor_.empty()) donor_receive();
      donor_event({DE::kReadOut});
      return;
    case DF::kCloseChannel:
      donor_process_.open = false;
      return;
    case DF::kRetire:
      donor_retired_ = true;
      return;
    case DF::kReportFailed:
      script_.clear();
      after_script_.reset();
      return;
  }
}

// -- the heir's shell

void World::to_donor(Message message) {
  if (donor_process_.open) to_donor_.push_back({message, {}});
}

void World::heir_event(HeirEvent event) {
  if (bug_ == Bug::kEofIsReleaseTooEarly && event.type == HE::kChannelClosed &&
      (heir_.state() == HeirState::kReceiving || heir_.state() == HeirState::kCopied)) {
    heir_runs_ = true;
    return;
  }
  if (bug_ == Bug::kTakeOverWithoutExit && event.type == HE::kChannelClosed &&
      heir_.state() == HeirState::kPrepared) {
    heir_runs_ = true;
    return;
  }
  if (bug_ == Bug::kIgnoreAbort && event.type == HE::kPeerAborted) return;
  if (bug_ == Bug::kRunBeforeResumed && event.type == HE::kRelease &&
      heir_.state() == HeirState::kPrepared) {
    heir_runs_ = true;  // and says so in its next step
    return;
  }
  for (const HF effect : heir_.step(event, 0)) heir_effect(effect);
}

HeirEvent World::understand(const Packet& packet) {
  switch (packet.message) {
    case Message::kHello:
      return {HE::kHelloAccepted};
    case Message::kListeners:
      return {HE::kListeners};
    case Message::kSessions:
      heir_knows_ = packet.versions;
      return {HE::kProgress};
    case Message::kCopyEnd:
      return {HE::kCopyEnd};
    case Message::kPrepare:
      return {HE::kPrepare};
    case Message::kRelease:
      return {HE::kRelease};
    case Message::kAbort:
      return {HE::kPeerAborted, {core::Code::kTimeout, {}}};
    default:
      return {HE::kMalformed, {core::Code::kProtocol, {}}};
  }
}

void World::heir_receive() {
  if (to_heir_.empty()) {
    heir_process_.eof_seen = true;
    heir_event({HE::kChannelClosed});
    return;
  }
  const Packet packet = to_heir_.front();
  to_heir_.pop_front();
  heir_event(understand(packet));
}

void World::heir_effect(HF effect) {
  switch (effect) {
    case HF::kSendHello:
      to_donor(Message::kHelloBack);
      return;
    case HF::kSendCopied:
      to_donor(Message::kCopied);
      return;
    case HF::kRestore:
      heir_event({HE::kRestored});
      return;
    case HF::kSendPrepared:
      prepared_sent_ = true;
      to_donor(Message::kPrepared);
      return;
    case HF::kSendResumed:
      to_donor(Message::kResumed);
      resumed_sent_ = true;
      heir_event({HE::kResumedSent});
      return;
    case HF::kKeepUnmoved:
      for (std::size_t s = 0; s < moved_.size(); ++s) {
        kept_[s] = bug_ == Bug::kServeStale || heir_knows_[s] == moved_[s];
      }
      return;
    case HF::kRun:
      heir_runs_ = true;
      return;
    case HF::kSendAbort:
      to_donor(Message::kAbort);
      return;
    case HF::kFence:
      die(donor_process_);
      return;
    case HF::kReadOut:
      while (!to_heir_.empty() && !heir_.finished()) heir_receive();
      heir_event({HE::kReadOut});
      return;
    case HF::kGo:
      die(heir_process_);
      return;
  }
}

// -- what must hold

std::optional<std::string> World::violation() const {
  if (donor_may_touch() && heir_may_touch()) return "I1: two owners";
  for (std::size_t s = 0; s < moved_.size(); ++s) {
    const std::string which = " session " + std::to_string(s);
    if (donor_may_touch() && donor_knows_[s] != moved_[s]) {
      return "I3: the donor serves a stale state of" + which;
    }
    if (heir_may_touch() && kept_[s] && heir_knows_[s] != moved_[s]) {
      return "I3: the heir serves a stale state of" + which;
    }
  }
  // The two rules of order that make the rest true.
  if (heir_runs_ && !resumed_sent_ && !donor_process_.exit_seen) {
    return "the heir runs and neither told the donor nor saw its exit";
  }
  if (release_sent_ && !prepared_sent_) return "Release before Prepared";
  return std::nullopt;
}

std::optional<std::string> World::violation_at_end() const {
  const bool donor_left = donor_process_.alive && !donor_retired_;
  const bool heir_left = heir_process_.alive;
  if (donor_left && !donor_.finished()) return "the donor never comes to an end";
  if (heir_left && !heir_.finished()) return "the heir never comes to an end";
  if (donor_left && !donor_may_touch()) return "I2: the donor lives and nobody owns the sessions";
  if (heir_left && !heir_runs_) return "I2: the heir lives on without owning anything";
  if (donor_retired_ && !heir_runs_) return "I2: the donor retired and the heir never ran";
  if (heir_runs_ && heir_process_.alive && !crashed_) {
    for (std::size_t s = 0; s < kept_.size(); ++s) {
      if (!kept_[s]) return "a session was lost without a crash of its owner";
    }
  }
  return std::nullopt;
}

std::size_t World::hash() const {
  std::size_t h = 1469598103934665603ULL;
  const auto mix = [&h](std::size_t value) { h = (h ^ value) * 1099511628211ULL; };
  mix(static_cast<std::size_t>(donor_.state()));
  mix(static_cast<std::size_t>(heir_.state()));
  mix(donor_.round());
  for (const Process* p : {&donor_process_, &heir_process_}) {
    mix(static_cast<std::size_t>(p->alive) | static_cast<std::size_t>(p->hung) << 1 |
        static_cast<std::size_t>(p->open) << 2 | static_cast<std::size_t>(p->exit_seen) << 3 |
        static_cast<std::size_t>(p->eof_seen) << 4);
  }
  for (const auto* queue : {&to_heir_, &to_donor_, &script_}) {
    mix(queue->size());
    for (const Packet& packet : *queue) {
      mix(static_cast<std::size_t>(packet.message));
      for (const auto v : packet.versions) mix(v);
    }
  }
  for (const auto* known : {&moved_, &donor_knows_, &heir_knows_}) {
    for (const auto v : *known) mix(v);
  }
  mix(static_cast<std::size_t>(limits_.moves) | static_cast<std::size_t>(limits_.deaths) << 8 |
      static_cast<std::size_t>(limits_.hangs) << 16 |
      static_cast<std::size_t>(limits_.refusals) << 24);
  mix(static_cast<std::size_t>(heir_runs_) | static_cast<std::size_t>(resumed_sent_) << 1 |
      static_cast<std::size_t>(donor_retired_) << 2 | static_cast<std::size_t>(crashed_) << 3);
  return h;
}

bool operator==(const World& a, const World& b) {
  const auto limits = [](const World& w) {
    return std::tuple(w.limits_.moves, w.limits_.deaths, w.limits_.hangs, w.limits_.refusals);
  };
  return limits(a) == limits(b) && a.donor_ == b.donor_ && a.heir_ == b.heir_ &&
         a.donor_process_ == b.donor_process_ && a.heir_process_ == b.heir_process_ &&
         a.to_heir_ == b.to_heir_ && a.to_donor_ == b.to_donor_ && a.script_ == b.script_ &&
         a.after_script_ == b.after_script_ && a.moved_ == b.moved_ &&
         a.donor_knows_ == b.donor_knows_ && a.heir_knows_ == b.heir_knows_ && a.kept_ == b.kept_ &&
         a.heir_runs_ == b.heir_runs_ && a.resumed_sent_ == b.resumed_sent_ &&
         a.donor_retired_ == b.donor_retired_ && a.crashed_ == b.crashed_ &&
         a.prepare_sent_ == b.prepare_sent_ && a.prepared_sent_ == b.prepared_sent_ &&
         a.release_sent_ == b.release_sent_;
}

}  // namespace handoff::simulation
