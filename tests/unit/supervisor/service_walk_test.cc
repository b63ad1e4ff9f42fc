// Random lives of a service: operators, processes and the clock act in any order. At each step the
// machine's picture must agree with the world, and in the end everything can be stopped.
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>

#include "show.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

class Walk {
 public:
  explicit Walk(unsigned seed)
      : random_(seed),
        service_({.name = "walk",
                  .probation = {.checked = true, .polled = true, .failures = 2},
                  .children = seed % 2 == 0 ? ChildrenPolicy::kEnd : ChildrenPolicy::kLeave}) {}

  void run(int steps) {
    if (dice(3) == 0) {
      adopt();
    } else {
      hear(StartRequested{});
    }
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) step();
    wind_down();
  }

 private:
  unsigned dice(unsigned sides) { return static_cast<unsigned>(random_() % sides); }

  Generation somebody() {
    if (alive_.empty()) return 99999;
    auto it = alive_.begin();
    std::advance(it, dice(static_cast<unsigned>(alive_.size())));
    return *it;
  }

  ReleaseSeen seen() {
    return {.name = dice(4) == 0 ? "2.0" : "1.0",
            .was = dice(3) == 0 ? "" : "1.0",
            .executes = dice(6) == 0 ? "/opt/real" : ""};
  }

  // Another supervisor has left one process, or two in a handoff, or their ruins.
  void adopt() {
    const bool handoff = dice(2) == 0;
    last_ = 7;
    alive_.insert(6);
    if (handoff) alive_.insert(7);
    spoke_ = alive_;  // they did run
    asked_ += handoff ? 1 : 0;
    hear(Found{.last = 7, .current = 6, .heir = handoff ? 7U : 0U, .candidate = dice(2) == 0});
    for (const Generation who : {6, 7}) {
      if (alive_.contains(who) && dice(3) == 0) end(who);
    }
  }

  void step() {
    clock_ += std::chrono::milliseconds(dice(50));
    const Generation who = somebody();
    const auto says = [this, who](const Event& event) {
      if (!alive_.contains(who)) return;
      spoke_.insert(who);
      hear(event);
    };
    const std::uint64_t handoff = dice(4) == 0 ? who : last_;
    switch (dice(20)) {
      case 0:
        return says(Registered{who, dice(2) == 0, dice(2) == 0 ? handoff : 0, false, seen()});
      case 1:
      case 2:
        return says(
            Owned{.generation = who, .handoff_id = handoff, .sessions = 3, .lost = dice(3) / 2});
      case 3:
        return says(
            HandoffFailed{who, handoff, dice(2) == 0 ? "peer_died" : "rejected", "because"});
      case 4:
        return says(DonorRetired{
            .generation = who, .handoff_id = handoff, .sessions = 3, .heir_died = dice(5) == 0});
      case 5:
        return says(Progressed{.generation = who,
                               .handoff_id = handoff,
                               .phase = dice(2) == 0 ? CopyPhase::kCopy : CopyPhase::kSwitch});
      case 6:
        if (alive_.contains(who)) end(who);
        return;
      case 7:
      case 8:
        asked_ += 1;
        return ask_for_handoff();
      case 9:
        if (!opening_) return;
        opening_ = false;
        if (dice(4) == 0) return hear(CandidateFailed{"open", "no such file"});
        return hear(CandidateReady{Probation::Origin{static_cast<int>(dice(4))}, dice(2) == 0});
      case 10:
        if (dice(6) == 0) hear(StopRequested{dice(3) == 0, dice(2) == 0});
        return;
      case 11:
        if (dice(3) != 0) return;
        ++asked_;
        return hear(CommitRequested{});
      case 12:
      case 13:
        return hear(HealthHeard{who, dice(4) == 0, "ill"});
      case 14:
        if (service_.state() != Service::State::kStopped) return;
        if (dice(2) == 0) return hear(StartRequested{dice(2) == 0});
        return hear(StartRequested{dice(2) == 0, Wanted{"/opt/chat"}});
      case 15:
        return come_back();
      case 16:
        return end_children();
      case 17:
        return lose_vault();
      default:
        if (const auto deadline = service_.deadline()) clock_ = std::max(clock_, *deadline);
        // An upgrade looks once more before it is over, so its deadline may be due at once. If
        // ticks never took a due deadline away, the shell would do nothing but tick.
        for (int ticks = 0; ticks < 3; ++ticks) {
          hear(Tick{});
          if (!service_.deadline() || *service_.deadline() > clock_) return;
        }
        FAIL() << "a deadline that has passed stays: " << story_;
    }
  }

  // One after the other, as they were asked for.
  void end_children() {
    if (clearing_.empty()) return;
    const Generation before = clearing_.front();
    clearing_.pop_front();
    hear(ChildrenEnded{before});
  }

  void ask_for_handoff() {
    HandoffRequested request;
    request.cold = dice(4) == 0;
    request.unless_so = dice(4) == 0;
    switch (dice(5)) {
      case 0:
        request.to = Probation::Origin::kSame;
        break;
      case 1:
        request.to = Probation::Origin::kBack;
        break;
      case 2:
        request.rehearsal = true;
        break;
      case 3:
        request.shares = {100, 500, 1000};
        request.pause = 20ms;
        break;
      default:
        break;
    }
    hear(request);
  }

  // A process that no state file told of.
  void come_back() {
    if (dice(4) != 0 || alive_.size() > 1 || !service_.takes_orphans()) return;
    const Generation orphan = last_ + 1 + dice(3);
    last_ = orphan;
    alive_.insert(orphan);
    spoke_.insert(orphan);
    hear(OrphanFound{orphan});
    ASSERT_TRUE(service_.current() == orphan || alive_.size() > 1) << story_;
  }

  void end(Generation who) {
    alive_.erase(who);
    killed_.erase(who);
    if (dice(4) == 0 && !spoke_.contains(who)) return hear(SpawnFailed{who, "no such file"});
    Exited exited{who, Exit{dice(2) == 0, dice(2) == 0 ? 9 : 11, false}};
    if (dice(2) == 0) {
      exited.vault = VaultLeft{.owned = dice(4) != 0};
      if (const std::uint64_t session = dice(3)) exited.vault->reading = {session};
      ASSERT_TRUE(vaults_.insert(who).second);
    }
    hear(exited);
  }

  void lose_vault() {
    if (vaults_.empty()) return;
    hear(VaultLost{*vaults_.begin()});
    vaults_.erase(vaults_.begin());
  }

  void hear(const Event& event) {
    story_ += "[" + std::to_string(event.index()) + "] ";
    bool by_itself = false;
    for (const Effect& effect : service_.step(event, clock_)) {
      story_ += show(effect) + "; ";
      if (const auto* spawn = std::get_if<Spawn>(&effect)) {
        ASSERT_TRUE(alive_.insert(spawn->generation).second);
        last_ = spawn->generation;
        if (spawn->ends_children) clearing_.push_back(spawn->generation);
        if (spawn->vault_of != 0) {
          ASSERT_TRUE(vaults_.contains(spawn->vault_of)) << story_;
          ASSERT_FALSE(alive_.contains(spawn->vault_of)) << story_;
        }
      }
      if (const auto* drop = std::get_if<DropVault>(&effect)) {
        ASSERT_EQ(vaults_.erase(drop->generation), 1U) << "it keeps nothing: " << story_;
      }
      if (const auto* end = std::get_if<EndStart>(&effect)) killed_.insert(end->generation);
      if (const auto* ends = std::get_if<EndChildren>(&effect)) {
        ASSERT_FALSE(alive_.contains(ends->generation)) << story_;
        if (ends->generation == 0) clearing_.push_back(0);
      }
      if (const auto* signal = std::get_if<Signal>(&effect)) {
        ASSERT_TRUE(alive_.contains(signal->generation)) << story_;
        if (signal->kill) killed_.insert(signal->generation);
      }
      if (const auto* donate = std::get_if<SendDonate>(&effect)) {
        ASSERT_TRUE(alive_.contains(donate->donor) && alive_.contains(donate->heir)) << story_;
      }
      if (std::holds_alternative<ProbationFailed>(effect)) by_itself = true;
      if (std::holds_alternative<OpenBack>(effect) && by_itself) ++asked_;  // nobody else did
      if (std::holds_alternative<OpenCandidate>(effect) ||
          std::holds_alternative<OpenBack>(effect)) {
        opening_ = true;
      }
      const auto* committed = std::get_if<Committed>(&effect);
      const auto* conclude = std::get_if<Conclude>(&effect);
      if (conclude != nullptr && conclude->report.by_start) continue;  // nobody has asked
      if (conclude != nullptr || std::holds_alternative<Unchanged>(effect) ||
          std::holds_alternative<Refuse>(effect) ||
          (committed != nullptr && !committed->by_itself)) {
        ++answered_;
      }
    }
    ASSERT_LE(alive_.size(), 3U) << "donor, crashed heir's successor, and no more: " << story_;
    ASSERT_LE(answered_, asked_) << story_;
    if (service_.state() == Service::State::kRunning && !service_.upgrading()) {
      ASSERT_TRUE(alive_.contains(service_.current())) << story_;
    }
    ASSERT_TRUE(!service_.idle() || alive_.empty()) << story_;
    const bool may_recover =
        service_.state() == Service::State::kRecovering || service_.upgrading();
    ASSERT_TRUE(vaults_.empty() || may_recover) << "a vault that nobody wants stays: " << story_;
    if (service_.state() == Service::State::kRecovering) {
      ASSERT_FALSE(vaults_.empty() && alive_.empty()) << "nothing is left to wait for: " << story_;
    }
  }

  void wind_down() {
    hear(StopRequested{});
    if (opening_) hear(CandidateReady{});
    for (int i = 0; i < 60 && !service_.idle() && !testing::Test::HasFatalFailure(); ++i) {
      if (const auto deadline = service_.deadline()) {
        clock_ = std::max(clock_, *deadline);
        hear(Tick{});
      }
      while (!killed_.empty() && !testing::Test::HasFatalFailure()) end(*killed_.begin());
      while (!clearing_.empty() && !testing::Test::HasFatalFailure()) end_children();
    }
    ASSERT_TRUE(service_.idle()) << story_;
    ASSERT_EQ(answered_, asked_) << "everyone who asked was answered: " << story_;
    ASSERT_EQ(service_.deadline(), std::nullopt);
  }

  std::mt19937 random_;
  Service service_;
  Time clock_ = at(0ms);
  std::set<Generation> alive_;
  std::set<Generation> killed_;
  std::set<Generation> spoke_;
  std::set<Generation> vaults_;  // whose keepers hold sockets
  Generation last_ = 0;
  std::deque<Generation> clearing_;  // before whose starts, or 0, children are ended
  bool opening_ = false;
  int asked_ = 0;
  int answered_ = 0;
  std::string story_;
};

TEST(ServiceWalkTest, NothingThatHappensConfusesIt) {
  for (unsigned seed = 0; seed < 6000 && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk(seed).run(60);
  }
}

}  // namespace
}  // namespace handoff::supervisor
