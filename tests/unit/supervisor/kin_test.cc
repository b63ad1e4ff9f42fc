// Which processes are a generation's: by their marks, their sessions, their parents, and which are
// not, whatever their numbers.
#include "supervisor/core/kin.h"

#include <gtest/gtest.h>

#include <string>

namespace handoff::supervisor {
namespace {

constexpr int kSupervisor = 10;
constexpr const char* kHome = "/run/handoff/services.sock";

class KinTest : public testing::Test {
 protected:
  KinTest() {
    see({.pid = 1, .parent = 0, .session = 1, .started = 1});
    see({.pid = kSupervisor, .parent = 1, .session = 5, .started = 50});
  }
  ProcessSeen& see(ProcessSeen process) { return all.emplace_back(std::move(process)); }
  // The process of a generation, which lives.
  void runs(Generation generation, int pid, std::uint64_t started) {
    see({.pid = pid,
         .parent = kSupervisor,
         .session = pid,
         .started = started,
         .home = kHome,
         .service = "chat",
         .generation = generation,
         .main = true});
    roots.push_back({generation, pid, started, true, started});
  }
  void is_gone(Generation generation, int pid, std::uint64_t started, std::uint64_t seen = 0) {
    roots.push_back({generation, pid, started, false, seen});
  }
  // "1: 101 102, 2: 201"
  std::string kin() const {
    std::string out;
    for (const auto& [generation, processes] :
         kin_of(all, roots, {kHome, "chat", kSupervisor, holds, keepers})) {
      out += (out.empty() ? "" : ", ") + std::to_string(generation) + ":";
      for (const ProcessSeen& process : processes) out += " " + std::to_string(process.pid);
    }
    return out;
  }

  std::vector<ProcessSeen> all;
  std::vector<Root> roots;
  std::vector<Hold> holds;
  std::vector<int> keepers;
};

TEST_F(KinTest, AProcessAloneHasNone) {
  runs(1, 100, 1000);
  EXPECT_EQ(kin(), "");
}

// A clone of the process has its environment, and is a child of the supervisor.
TEST_F(KinTest, TheKeeperOfItsVaultIsNobodysChild) {
  is_gone(1, 100, 1000);
  see({.pid = 101,
       .parent = kSupervisor,
       .session = 101,
       .started = 1001,
       .home = kHome,
       .service = "chat",
       .generation = 1});
  EXPECT_EQ(kin(), "1: 101");
  keepers = {101};
  EXPECT_EQ(kin(), "");
}

TEST_F(KinTest, ChildrenAndTheirChildrenBelongToIt) {
  runs(1, 100, 1000);
  see({.pid = 300, .parent = 200, .session = 300, .started = 1002});
  see({.pid = 200, .parent = 100, .session = 200, .started = 1001});
  see({.pid = 400, .parent = 1, .session = 400, .started = 1003});
  EXPECT_EQ(kin(), "1: 300 200");
}

TEST_F(KinTest, ItsSessionBelongsToItWhoeverTheParentIs) {
  runs(1, 100, 1000);
  see({.pid = 101, .parent = 1, .session = 100, .started = 1001});
  EXPECT_EQ(kin(), "1: 101");
}

TEST_F(KinTest, AMarkIsEnough) {
  is_gone(1, 100, 1000);
  see({.pid = 101,
       .parent = 1,
       .session = 101,
       .started = 1001,
       .home = kHome,
       .service = "chat",
       .generation = 1});
  see({.pid = 102, .parent = 101, .session = 102, .started = 1002});
  EXPECT_EQ(kin(), "1: 101 102");
}

TEST_F(KinTest, MarksOfGenerationsThatNobodyKnowsCountToo) {
  ProcessSeen marked{.pid = 101,
                     .parent = 1,
                     .session = 101,
                     .started = 1001,
                     .home = kHome,
                     .service = "chat",
                     .generation = 7};
  see(marked);
  EXPECT_EQ(kin(), "7: 101");
  // Numbers begin anew where a state was lost: this is no child of the one that has the number now.
  runs(7, 200, 2000);
  EXPECT_EQ(kin(), "0: 101");
}

TEST_F(KinTest, OthersMarksKeepThemAway) {
  runs(1, 100, 1000);
  see({.pid = 101,
       .parent = 100,
       .session = 100,
       .started = 1001,
       .home = "/run/other/services.sock",
       .service = "chat",
       .generation = 1});
  see({.pid = 102,
       .parent = 100,
       .session = 100,
       .started = 1001,
       .home = kHome,
       .service = "kv",
       .generation = 1});
  see({.pid = 103, .parent = 101, .session = 101, .started = 1001});
  EXPECT_EQ(kin(), "");
}

TEST_F(KinTest, AGenerationIsNobodysChild) {
  is_gone(1, 100, 1000, 9000);
  runs(2, 200, 2000);
  all.back().session = 100;
  // One that nobody has told of: its children are those of one that lives.
  see({.pid = 300,
       .parent = 1,
       .session = 300,
       .started = 3000,
       .home = kHome,
       .service = "chat",
       .generation = 3,
       .main = true});
  see({.pid = 301, .parent = 300, .session = 300, .started = 3001});
  EXPECT_EQ(kin(), "3: 301");
}

TEST_F(KinTest, NeitherTheSupervisorNorWhoStartedItBelongsToAny) {
  runs(1, 100, 1000);
  all[1].parent = 101;  // the supervisor was started by a child of its own service
  all[1].session = 100;
  see({.pid = 101, .parent = 100, .session = 100, .started = 1001});
  see({.pid = 102, .parent = kSupervisor, .session = 5, .started = 1002});  // a helper
  EXPECT_EQ(kin(), "");
}

// ---- what a later generation holds ------------------------------------------------------------

TEST_F(KinTest, WhatOneThatLivesHoldsIsItsOwn) {
  is_gone(1, 100, 1000);
  runs(2, 200, 2000);
  see({.pid = 101,
       .parent = kSupervisor,
       .session = 101,
       .started = 1001,
       .home = kHome,
       .service = "chat",
       .generation = 1});
  see({.pid = 102, .parent = 101, .session = 101, .started = 1002});
  see({.pid = 103, .parent = kSupervisor, .session = 100, .started = 1003});
  EXPECT_EQ(kin(), "1: 101 102 103");
  holds = {{2, 101, 1001}};
  EXPECT_EQ(kin(), "1: 103, 2: 101 102");
  holds = {{2, 101, 1002}};
  EXPECT_EQ(kin(), "1: 101 102 103") << "it means another process of that number";
  holds = {{3, 101, 1001}};
  EXPECT_EQ(kin(), "1: 101 102 103") << "it does not live";
}

TEST_F(KinTest, WhatIsOfOneThatLivesStaysThere) {
  runs(1, 100, 1000);
  runs(2, 200, 2000);
  see({.pid = 101, .parent = 100, .session = 101, .started = 1001});
  see({.pid = 900, .parent = 1, .session = 900, .started = 9});
  holds = {{2, 101, 1001}, {2, 900, 9}};
  EXPECT_EQ(kin(), "1: 101");
}

TEST_F(KinTest, ZombiesAreNotCounted) {
  runs(1, 100, 1000);
  see({.pid = 101, .parent = 100, .session = 100, .started = 1001, .ended = true});
  EXPECT_EQ(kin(), "");
}

TEST_F(KinTest, ACgroupTellsWhateverElseIsHidden) {
  is_gone(1, 100, 1000);
  roots.back().cgroup = "/unit/handoff-chat-1";
  runs(2, 200, 2000);
  roots.back().cgroup = "/unit/handoff-chat-2";
  see({.pid = 101, .parent = 1, .session = 101, .started = 1001, .cgroup = "/unit/handoff-chat-1"});
  see({.pid = 102,
       .parent = 1,
       .session = 102,
       .started = 1002,
       .cgroup = "/unit/handoff-chat-1/below"});
  see({.pid = 103,
       .parent = 1,
       .session = 103,
       .started = 1003,
       .cgroup = "/unit/handoff-chat-11"});
  see({.pid = 104, .parent = 1, .session = 104, .started = 1004, .cgroup = "/unit"});
  EXPECT_EQ(kin(), "1: 101 102");
}

// ---- numbers that have come to mean others ----------------------------------------------------

struct Session {
  const char* what;
  bool leader_there;       // a process has the leader's number
  bool leader_is_another;  // and is not the leader
  bool descends;           // from the supervisor
  std::uint64_t started;   // the leader: 1000
  std::uint64_t seen;      // the leader, last
  bool belongs;
};

TEST_F(KinTest, ASessionCountsWithProofAlone) {
  const Session cases[] = {
      {"below the supervisor", false, false, true, 1001, 0, true},
      {"below nobody who knows", false, false, false, 1001, 0, false},
      {"there while the leader was", false, false, false, 1001, 1001, true},
      {"newer than the leader was seen", false, false, false, 1002, 1001, false},
      {"older than the leader", false, false, true, 999, 2000, false},
      {"its leader is a zombie", true, false, false, 1001, 0, true},
      {"its leader is a stranger", true, true, true, 1001, 2000, false},
  };
  const auto before = all;
  for (const Session& one : cases) {
    SCOPED_TRACE(one.what);
    all = before;
    roots.clear();
    is_gone(1, 100, 1000, one.seen);
    if (one.leader_there) {
      see({.pid = 100,
           .parent = 1,
           .session = 100,
           .started = one.leader_is_another ? 5000U : 1000U,
           .ended = !one.leader_is_another});
    }
    see({.pid = 101,
         .parent = one.descends ? kSupervisor : 1,
         .session = 100,
         .started = one.started});
    EXPECT_EQ(kin(), one.belongs ? "1: 101" : "");
  }
}

TEST_F(KinTest, AParentCountsWhileItIsTheOneThatIsMeant) {
  is_gone(1, 100, 1000, 9000);
  see({.pid = 100, .parent = 1, .session = 77, .started = 5000});  // a stranger by now
  see({.pid = 101, .parent = 100, .session = 77, .started = 5001});
  EXPECT_EQ(kin(), "");
}

TEST_F(KinTest, ALoopOfParentsEnds) {
  is_gone(1, 100, 1000);
  see({.pid = 201, .parent = 202, .session = 100, .started = 1001});
  see({.pid = 202, .parent = 201, .session = 9, .started = 1001});
  EXPECT_EQ(kin(), "");
}

TEST(NamesOfTest, TellsTheFirstFive) {
  std::vector<ProcessSeen> some;
  for (int pid = 1; pid <= 7; ++pid) some.push_back({.pid = pid, .command = "sh"});
  EXPECT_EQ(names_of(some),
            "sh (pid 1), sh (pid 2), sh (pid 3), sh (pid 4), sh (pid 5) and 2 more");
  some.resize(1);
  EXPECT_EQ(names_of(some), "sh (pid 1)");
}

}  // namespace
}  // namespace handoff::supervisor
