// Every interleaving of a giver and a taker: messages in buffers that can be full, deaths at any
// moment, refusals, a deadline that passes, a process that takes the taker's place. One session is
// given, and given again if it was taken back. The test knows whose the session is.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "libhandoff/core/giver.h"
#include "libhandoff/core/taker.h"

namespace handoff::core {
namespace {

using GE = GiverEventType;
using TE = TakerEventType;

enum class M { kSessions, kPrepare, kRelease, kPrepared, kResumed, kAbort, kHello };
struct Mail {
  M what;
  int group;
};
constexpr std::size_t kRoom = 2;
constexpr int kGroups = 2;

struct World {
  Giver giver{Limits{.stall = 100, .budget = 10}};
  Taker taker;
  std::deque<Mail> giver_out, taker_out;  // not in a buffer yet
  std::deque<Mail> to_taker, to_giver;    // in the reader's buffer
  bool giver_alive = true, taker_alive = true;
  bool giver_eof = false, taker_eof = false;  // seen
  int takers = 1;                             // processes at the taker's end so far
  bool greeted = true;                        // this taker has had the giver's Hello
  bool successor = false;  // a process that also holds the taker's end, and follows if it dies
  int group = 0;           // the giver's last one
  int taker_group = 0;     // the taker's last one; messages of older groups are ignored
  int over = 0;            // a dropped, refused or adopted group: its messages are ignored
  bool staged = false;     // the taker has the session's copy
  bool restoring = false;
  // Whose the session is.
  bool giver_owns = true, taker_owns = false;
  std::set<int> stale;   // groups that were taken back: their copies must not be served
  bool crashed = false;  // the session ended with a process that owned it, or that alone had it
  bool taken = false;    // a taker has owned the session
  bool given = false;    // the giver has let it go
  int odd = 0;           // refusals so far
  std::string wrong;

  std::string key() const {
    std::ostringstream out;
    const auto put = [&](const std::deque<Mail>& mail) {
      for (const Mail& m : mail) out << static_cast<int>(m.what) << '.' << m.group << ',';
      out << '|';
    };
    out << name(giver.state()) << giver.deadline().has_value() << name(taker.state());
    put(giver_out), put(taker_out), put(to_taker), put(to_giver);
    out << giver_alive << taker_alive << giver_eof << taker_eof << takers << greeted << successor
        << group << taker_group << over << staged << restoring << giver_owns << taker_owns
        << crashed << taken << given << odd << '/';
    for (const int s : stale) out << s << ' ';
    return out.str();
  }

  void expect(bool right, const char* what) {
    if (!right && wrong.empty()) wrong = what;
  }
  void check() {
    expect(!(giver_owns && giver_alive && taker_owns && taker_alive), "two owners");
    expect(!taker.idle() || !staged, "a copy that belongs to no group");
  }

  // -- the giver's shell
  void give(GE type) {
    for (const GiverEffect effect : giver.step({type, {}}, type == GE::kTimer ? 1000 : 0)) {
      switch (effect) {
        case GiverEffect::kFreeze:
          giver_owns = false;
          giver_out.push_back({M::kSessions, group});
          giver_out.push_back({M::kSessions, group});
          giver_out.push_back({M::kPrepare, group});
          break;
        case GiverEffect::kSendRelease:
          giver_out.push_back({M::kRelease, group});
          break;
        case GiverEffect::kSendAbort:
          std::erase_if(giver_out, [](const Mail& m) { return m.what != M::kHello; });
          giver_out.push_back({M::kAbort, group});
          break;
        case GiverEffect::kThaw:
          std::erase_if(giver_out, [](const Mail& m) { return m.what != M::kHello; });
          expect(!taken, "takes back what somebody has served");
          giver_owns = true;
          stale.insert(group);
          break;
        case GiverEffect::kLetGo:
          given = true;
          break;
        case GiverEffect::kReadOut:
          while (!to_giver.empty() && to_giver.front().what != M::kHello) giver_reads();
          give(GE::kReadOut);
          break;
      }
    }
  }
  void giver_reads() {
    const Mail mail = to_giver.front();
    to_giver.pop_front();
    if (mail.what == M::kHello) {
      giver_greets();
    } else if (mail.group == group && !giver.idle()) {
      give(mail.what == M::kPrepared  ? GE::kPrepared
           : mail.what == M::kResumed ? GE::kResumed
                                      : GE::kPeerAborted);
    }
  }
  // The giver hears that another process is at the other end. It has read all that the last one
  // said.
  void giver_greets() {
    if (giver.state() == GiverState::kReleased) {
      expect(crash_of_a_taker, "a successor while the group is released to one that lives");
      give(GE::kPeerExited);
    } else {
      give(GE::kSuccessor);
    }
    giver = Giver(Limits{.stall = 100, .budget = 10});
    giver_out.clear();
    giver_out.push_back({M::kHello, 0});
  }
  bool crash_of_a_taker = false;
  void giver_flushes() {
    const Mail mail = giver_out.front();
    giver_out.pop_front();
    to_taker.push_back(mail);
    if (mail.what == M::kPrepare) give(GE::kSent);
    if (mail.what == M::kRelease) give(GE::kReleaseSent);
    if (mail.what == M::kAbort) give(GE::kAbortSent);
  }

  // -- the taker's shell
  void take(TE type) {
    for (const TakerEffect effect : taker.step({type, {}})) {
      switch (effect) {
        case TakerEffect::kRestore:
          restoring = true;
          break;
        case TakerEffect::kSendPrepared:
          taker_out.push_back({M::kPrepared, taker_group});
          break;
        case TakerEffect::kSendResumed:
          taker_out.push_back({M::kResumed, taker_group});
          break;
        case TakerEffect::kAdopt:
        case TakerEffect::kKeepWhole:
          expect(staged, "adopts what it has not");
          expect(!stale.contains(taker_group), "adopts a state that was taken back");
          taker_owns = taken = true;
          staged = false;
          over = taker_group;
          break;
        case TakerEffect::kDrop:
          // A dead giver can't take the session back: it is lost with the giver.
          if (!giver_alive && staged && !stale.contains(taker_group)) crashed = true;
          staged = restoring = false;
          over = taker_group;
          break;
        case TakerEffect::kSendAbort:
          std::erase_if(taker_out, [&](const Mail& m) { return m.group == taker_group; });
          taker_out.push_back({M::kAbort, taker_group});
          break;
        case TakerEffect::kReadOut:
          restoring = false;
          taker_out.clear();
          while (!to_taker.empty()) taker_reads();
          take(TE::kReadOut);
          break;
      }
    }
  }
  void taker_reads() {
    const Mail mail = to_taker.front();
    to_taker.pop_front();
    if (mail.what == M::kHello) {
      greeted = true;
      return;
    }
    // The giver sent this to the process before, in a state version that was not agreed on with
    // this one.
    if (!greeted) {
      if (!giver_alive) crashed = crashed || !giver_owns;
      return;
    }
    if (mail.what == M::kSessions && mail.group > taker_group) {
      taker_group = mail.group;
      staged = true;
      take(TE::kSessions);
    } else if (mail.group == taker_group && taker_group != over) {
      if (mail.what == M::kSessions) staged = true;
      take(mail.what == M::kSessions  ? TE::kSessions
           : mail.what == M::kPrepare ? TE::kPrepare
           : mail.what == M::kRelease ? TE::kRelease
                                      : TE::kPeerAborted);
    }
  }
  void taker_flushes() {
    const Mail mail = taker_out.front();
    taker_out.pop_front();
    to_giver.push_back(mail);
    if (mail.what == M::kResumed) take(TE::kResumedSent);
  }
  void take_the_place() {
    ++takers;
    taker = Taker();
    staged = restoring = taker_eof = successor = greeted = false;
    taker_out.clear();
    taker_out.push_back({M::kHello, 0});
    taker_alive = true;
  }

  // Every world that can come next.
  std::vector<std::pair<std::string, World>> next() const {
    std::vector<std::pair<std::string, World>> out;
    const auto then = [&](const char* what, auto&& change) {
      World w = *this;
      change(w);
      w.check();
      out.emplace_back(what, std::move(w));
    };
    if (giver_alive) {
      if (giver.state() == GiverState::kIdle && giver_owns && group < kGroups && greeted) {
        then("a group is begun", [](World& w) {
          ++w.group;
          w.give(GE::kBegun);
        });
      }
      if (!giver_out.empty() && to_taker.size() < kRoom && taker_alive) {
        then("the giver sends", [](World& w) { w.giver_flushes(); });
      }
      if (!to_giver.empty()) then("the giver reads", [](World& w) { w.giver_reads(); });
      if (giver.deadline()) then("the budget is over", [](World& w) { w.give(GE::kTimer); });
      if (odd < 2 && !giver.idle()) {
        then("the giver refuses", [](World& w) { ++w.odd, w.give(GE::kRefused); });
        then("the giver hears nonsense", [](World& w) { ++w.odd, w.give(GE::kMalformed); });
      }
      if (!taker_alive && giver.state() != GiverState::kGone) {
        then("the giver sees the exit", [](World& w) { w.give(GE::kPeerExited); });
        if (to_giver.empty() && !giver_eof) {
          then("the giver sees EOF",
               [](World& w) { w.giver_eof = true, w.give(GE::kChannelClosed); });
        }
      }
      then("the giver dies", [](World& w) {
        w.giver_alive = false;
        if (w.giver_owns) w.crashed = true;
        // Nothing of the group has left, or the taker has refused it: nobody else has the session.
        const bool waits = w.taker_group < w.group &&
                           std::any_of(w.to_taker.begin(), w.to_taker.end(), [&](auto& m) {
                             return m.what == M::kSessions && m.group == w.group;
                           });
        const bool sent = (w.staged && w.taker_group == w.group) || waits;
        if (!w.given && !w.taker_owns && (!sent || !w.taker_alive)) w.crashed = true;
        w.giver_out.clear();
        w.to_giver.clear();
      });
    }
    if (taker_alive) {
      if (!taker_out.empty() && to_giver.size() < kRoom && giver_alive) {
        then("the taker sends", [](World& w) { w.taker_flushes(); });
      }
      if (!to_taker.empty()) then("the taker reads", [](World& w) { w.taker_reads(); });
      if (restoring) {
        then("it restores", [](World& w) { w.restoring = false, w.take(TE::kRestored); });
        if (odd < 2) {
          then("it can't", [](World& w) { ++w.odd, w.restoring = false, w.take(TE::kRefused); });
        }
      } else if (odd < 2 && !taker.idle()) {
        then("the taker refuses", [](World& w) { ++w.odd, w.take(TE::kRefused); });
        then("the taker hears nonsense", [](World& w) { ++w.odd, w.take(TE::kMalformed); });
      }
      if (!giver_alive && taker.state() != TakerState::kGone) {
        then("the taker sees the exit", [](World& w) { w.take(TE::kPeerExited); });
        if (to_taker.empty() && !taker_eof) {
          then("the taker sees EOF",
               [](World& w) { w.taker_eof = true, w.take(TE::kChannelClosed); });
        }
      }
      if (takers == 1 && !successor) {
        then("an heir of the taker has the link's end", [](World& w) { w.successor = true; });
      }
      // A taker that hands over rests the link first, so it freezes only between two groups.
      if (successor && taker.state() == TakerState::kIdle && taker_out.empty() && greeted) {
        then("the taker hands its end over", [](World& w) {
          if (w.taker_owns) w.given = true;  // with all its sessions
          w.take_the_place();
        });
      }
      then("the taker dies", [](World& w) {
        if (w.taker_owns && w.takers == 1) w.crashed = true;
        if (w.taker_owns && w.takers == 2) w.crashed = true;
        w.taker_owns = false;
        if (!w.giver_alive && w.staged) w.crashed = true;
        if (!w.giver_alive && !w.to_taker.empty()) w.crashed = true;
        w.staged = w.restoring = false;
        w.taker_out.clear();
        if (w.successor) {
          w.crash_of_a_taker = true;
          w.take_the_place();
        } else {
          w.taker_alive = false;
          w.to_taker.clear();
        }
      });
    }
    return out;
  }

  bool lost() const {
    return !crashed && !(giver_alive && giver_owns) && !(taker_alive && taker_owns);
  }
};

TEST(LinkTest, ASessionHasOneOwnerAndASurvivorHasItWhateverHappens) {
  std::set<std::string> seen;
  struct Step {
    World world;
    int from;
    std::string what;
  };
  std::vector<Step> steps{{World(), -1, "start"}};
  seen.insert(steps[0].world.key());
  const auto story = [&](int at) {
    std::string out;
    for (; at >= 0; at = steps[static_cast<std::size_t>(at)].from) {
      const Step& s = steps[static_cast<std::size_t>(at)];
      out = "\n  " + s.what + "  [" + std::string(name(s.world.giver.state())) + "/" +
            std::string(name(s.world.taker.state())) + "]" + out;
    }
    return out;
  };
  std::size_t given = 0, ended = 0, kept_from_the_dead = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const World world = steps[i].world;
    ASSERT_EQ("", world.wrong) << story(static_cast<int>(i));
    if (world.given && world.taker_owns) ++given;
    if (!world.giver_alive && world.taker_owns && !world.given) ++kept_from_the_dead;
    bool final = true;
    for (auto& [what, next] : world.next()) {
      if (what != "the giver dies" && what != "the taker dies" &&
          what != "an heir of the taker has the link's end" && what != "a group is begun") {
        final = final && next.key() == world.key();
      }
      if (seen.insert(next.key()).second) {
        steps.push_back({std::move(next), static_cast<int>(i), what});
      }
    }
    if (!final) continue;
    ++ended;
    // Nothing more happens by itself: the session is with a living process, or ended with the
    // process that had it.
    ASSERT_FALSE(world.lost()) << "nobody has it" << story(static_cast<int>(i));
  }
  EXPECT_GT(steps.size(), 10'000U);
  EXPECT_GT(given, 0U);
  EXPECT_GT(kept_from_the_dead, 0U);
  EXPECT_GT(ended, 100U);
}

// The exploration does not look at reasons and deadlines; the tests from here on do.
TEST(LinkTest, AReleasedGroupIsWaitedForWithoutADeadline) {
  Giver giver(Limits{.stall = 100, .budget = 10});
  EXPECT_EQ(std::vector{GiverEffect::kFreeze}, giver.step({GE::kBegun, {}}, 0));
  giver.step({GE::kSent, {}}, 1);
  EXPECT_EQ(std::vector{GiverEffect::kSendRelease}, giver.step({GE::kPrepared, {}}, 2));
  giver.step({GE::kReleaseSent, {}}, 3);
  EXPECT_FALSE(giver.deadline());
  EXPECT_TRUE(giver.step({GE::kTimer, {}}, 1'000'000).empty());
  EXPECT_EQ(GiverState::kReleased, giver.state());
  EXPECT_EQ(std::vector{GiverEffect::kReadOut}, giver.step({GE::kPeerExited, {}}, 5));
  EXPECT_EQ(std::vector{GiverEffect::kThaw}, giver.step({GE::kReadOut, {}}, 6));
}

TEST(LinkTest, AnAbortedGroupIsTakenUpOnlyOnceTheTakerCanReadOfIt) {
  Giver giver(Limits{.stall = 100, .budget = 10});
  giver.step({GE::kBegun, {}}, 0);
  giver.step({GE::kSent, {}}, 1);
  EXPECT_EQ(std::vector{GiverEffect::kSendAbort}, giver.step({GE::kTimer, {}}, 10));
  EXPECT_EQ(GiverState::kAborting, giver.state());
  EXPECT_EQ(std::vector{GiverEffect::kThaw}, giver.step({GE::kAbortSent, {}}, 11));
}

}  // namespace
}  // namespace handoff::core
