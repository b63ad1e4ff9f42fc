// What a plan concludes from the findings of a rehearsal.
#include "supervisor/core/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan_facts.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(PlanTest, SaysWhatWouldMoveAndAtWhatPrice) {
  const Plan out = plan(good());
  EXPECT_TRUE(out.problems.empty());
  EXPECT_EQ(out.move, 1000U);
  EXPECT_EQ(out.refused, 0U);
  EXPECT_EQ(out.session_bytes, 64000U);
  EXPECT_EQ(out.needed_memory, 8'000'000U) << "the heir's, and what the donor grew by";
  EXPECT_EQ(out.free_memory, 1'000'000'000U);
  EXPECT_EQ(out.way_back, true);
  // 10 to save at 4 us, 10 to restore at 2 us, 30 us for the sections, two round trips of 50.
  ASSERT_TRUE(out.switching);
  EXPECT_EQ(out.switching->us, 190U);
  EXPECT_EQ(out.sentence,
            "An upgrade of chat to release 2.0 would disconnect nobody: 1000 sessions would move, "
            "after a pause of about 190 us and as long as it takes to take them up.");
}

TEST(PlanTest, WhatSectionsHaveChangedIsCopiedInTheFreeze) {
  PlanFacts facts = good();
  facts.donor->sections_ns = 3'000'000;
  EXPECT_EQ(plan(facts).switching->us, 3190U);
  EXPECT_EQ(plan(facts).switching->sections_ns, 3'000'000U);
}

TEST(PlanTest, OfSectionsThatChangeAsFastAsTheyAreCopiedItSaysSo) {
  PlanFacts facts = good();
  facts.donor->sections_unsettled = true;
  const Plan out = plan(facts);
  EXPECT_FALSE(out.switching);
  EXPECT_TRUE(out.problems.empty());
  EXPECT_THAT(out.sentence, HasSubstr("after a pause of which nothing can be told: sections "
                                      "change as fast as they are copied."));
}

TEST(PlanTest, AnHeirThatCantRestoreEarlyRestoresAllOfThemInTheFreeze) {
  PlanFacts facts = good();
  facts.heir->early = false;
  EXPECT_EQ(plan(facts).switching->restored, 1000U);
  EXPECT_EQ(plan(facts).switching->us, 2170U);
}

// The first session of a cold process takes long; a plan of few sessions went by it.
TEST(PlanTest, WhatRestoringOneTypicallyTakesComesBeforeTheMean) {
  PlanFacts facts = good();
  facts.heir->typical_ns = 500;
  EXPECT_EQ(plan(facts).switching->restore_ns, 500U);
  EXPECT_EQ(plan(facts).switching->us, 175U);
}

TEST(PlanTest, ASwitchThatTheBudgetHasNoTimeForIsAProblem) {
  PlanFacts facts = good();
  facts.timeouts.freeze_budget = 237us;
  ASSERT_EQ(plan(facts).problems.size(), 1U) << "a fifth of it is the heir's";
  EXPECT_EQ(plan(facts).problems[0].code, "timeout");
  EXPECT_THAT(plan(facts).problems[0].text, HasSubstr("--freeze-budget"));
  facts.timeouts.freeze_budget = 240us;
  EXPECT_TRUE(plan(facts).problems.empty());
}

TEST(PlanTest, NamesTheChainOnTheSideThatKnowsIt) {
  PlanFacts facts = good();
  facts.heir->to->kinds = {session(3, {1, 2, 3}, {1, 2, 3})};
  EXPECT_EQ(plan(facts).states.at(0).new_converts, "1 -> 2 -> 3");
  EXPECT_EQ(plan(facts).states.at(0).old_converts, "");
  std::swap(facts.heir->from, facts.heir->to);
  EXPECT_EQ(plan(facts).states.at(0).old_converts, "3 -> 2 -> 1");
  EXPECT_EQ(plan(facts).states.at(0).new_converts, "");
  // Each release knows one step of the way.
  facts.heir->from->kinds = {session(1, {1}, {1, 2})};
  facts.heir->to->kinds = {session(3, {2, 3}, {3})};
  EXPECT_EQ(plan(facts).states.at(0).old_converts, "1 -> 2");
  EXPECT_EQ(plan(facts).states.at(0).new_converts, "2 -> 3");
}

TEST(PlanTest, SaysOfASectionHowItTravels) {
  PlanFacts facts = good();
  facts.heir->from->kinds.push_back(section("rooms", {4}, {4, 5}));
  facts.heir->to->kinds.push_back(section("rooms", {4, 5, 6}, {6}));
  facts.heir->amounts.push_back({"rooms", true, 3, 5000});
  const Plan out = plan(facts);
  EXPECT_EQ(out.states.at(1).travels, 5U);
  EXPECT_EQ(out.states.at(1).new_converts, "");
  EXPECT_EQ(out.section_bytes, 5000U);
  EXPECT_EQ(out.session_bytes, 64000U);
  EXPECT_EQ(out.way_back, false) << "the new one writes it as 6 alone";
  EXPECT_THAT(out.no_way_back.at(0), HasSubstr("section 'rooms'"));
}

TEST(PlanTest, NamesAListenersKindOnlyWhereItIsNotLikeTheOthers) {
  PlanFacts facts = good();
  for (Manifest* release : {&*facts.heir->from, &*facts.heir->to}) {
    Kind kind = release->kinds.front();
    kind.listener = "public";
    release->kinds.push_back(kind);
    release->knows_listeners = true;
  }
  EXPECT_EQ(plan(facts).states.size(), 1U);
  EXPECT_EQ(plan(facts).way_back, true);
  facts.heir->to->kinds[1] = {"public", false, 3, {1, 3}, {1, 3}};
  const Plan out = plan(facts);
  ASSERT_EQ(out.states.size(), 2U);
  EXPECT_EQ(out.states[1].name, "public");
  EXPECT_EQ(out.states[1].to, 3U);
}

TEST(PlanTest, SaysOfARegionInWhichLayoutItStays) {
  PlanFacts facts = good();
  const Kind one{.name = "table", .version = 1, .reads = {1}, .writes = {1}, .region = true};
  const Kind two{.name = "table", .version = 2, .reads = {1, 2}, .writes = {2}, .region = true};
  facts.heir->from->kinds.push_back(one);
  facts.heir->to->kinds.push_back(two);
  facts.heir->amounts.push_back({"table", false, 1, 5000, true});
  const Plan out = plan(facts);
  EXPECT_TRUE(out.states.at(1).region);
  EXPECT_EQ(out.states.at(1).travels, 1U);
  EXPECT_EQ(out.states.at(1).new_converts, "") << "that is the service's own affair";
  EXPECT_EQ(out.region_bytes, 5000U);
  EXPECT_EQ(out.session_bytes, 64000U);
  EXPECT_THAT(out.problems, ::testing::IsEmpty());
  EXPECT_EQ(out.way_back, true) << "until the new release has brought it into its own layout";
  EXPECT_THAT(out.no_way_back, ::testing::IsEmpty());
  EXPECT_THAT(out.once_rewritten.at(0), HasSubstr("region 'table'"));
}

TEST(PlanTest, SaysOfTheReleaseThatOneWouldGoBackToWhetherOneCould) {
  PlanFacts facts = good();
  EXPECT_EQ(plan(facts).back_to, "1.0");
  facts.goes_back_past = true;
  EXPECT_EQ(plan(facts).way_back, std::nullopt) << "nobody knows what that one reads";
  facts.back = old_release();
  facts.back->release = "0.9";
  EXPECT_EQ(plan(facts).way_back, true);
  EXPECT_EQ(plan(facts).back_to, "0.9");
  facts.back->kinds = {session(4, {4}, {4})};
  const Plan out = plan(facts);
  EXPECT_EQ(out.way_back, false);
  EXPECT_THAT(out.no_way_back.at(0), HasSubstr("release 0.9 reads 4"));
  EXPECT_THAT(out.problems, ::testing::IsEmpty()) << "whether that is one, the upgrade says";
}

TEST(PlanTest, ListsListenersThatMatchThatAreMissingAndThatAreNew) {
  PlanFacts facts = good();
  facts.heir->from->named.push_back({"admin", "tcp:127.0.0.1:7001", 3, 2});
  facts.heir->to->named.push_back({"metrics", "tcp:127.0.0.1:7002"});
  facts.heir->to->named.push_back({"lock", ""});  // a claim that nobody has an fd for
  const Plan out = plan(facts);
  ASSERT_EQ(out.matched.size(), 1U);
  EXPECT_EQ(out.matched[0].name, "public");
  ASSERT_EQ(out.missing.size(), 1U);
  EXPECT_EQ(out.missing[0].name, "admin");
  ASSERT_EQ(out.extra.size(), 1U);
  EXPECT_EQ(out.extra[0].name, "metrics");
  EXPECT_THAT(out.no_way_back, ::testing::IsEmpty()) << "what the old one lacks is left out";
}

TEST(PlanTest, SaysWhatTheNewReleaseDoesNotClaimAndWhatBecomesOfIt) {
  using core::Sort;
  PlanFacts facts = good();
  facts.donor->left_out = {{Sort::kListener, "admin"},
                           {Sort::kListener, "own"},
                           {Sort::kSection, "rooms"},
                           {Sort::kSessions, "bulk", 3}};
  facts.donor->busy = 5;
  facts.held = {"public", "admin"};
  const Plan out = plan(facts);
  ASSERT_EQ(out.left.size(), 4U);
  EXPECT_EQ(out.left[0].fate, Fate::kKept);
  EXPECT_EQ(out.left[1].fate, Fate::kClosed) << "the process has bound it itself";
  EXPECT_EQ(out.left[2].fate, Fate::kDropped);
  EXPECT_EQ(out.left[3].fate, Fate::kLate);
  EXPECT_THAT(out.problems, ::testing::IsEmpty());
  EXPECT_THAT(out.sentence, HasSubstr("2 would stay with the old release until idle, 3 would stay "
                                      "with the old release until they end"));
  EXPECT_THAT(out.sentence,
              HasSubstr("The new release does not claim all that there is: listener 'admin' is "
                        "kept: nobody accepts on it until a release claims it; listener 'own' is "
                        "closed; section 'rooms' is dropped; session kind 'bulk': 3 sessions stay "
                        "with the old release."));
}

TEST(PlanTest, AnUpgradeWithoutAWayBackWouldBeRefusedUnlessThatIsWanted) {
  PlanFacts facts = good();
  facts.report.one_way = "there is no way back by a handoff";
  Plan out = plan(facts);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "one_way");
  EXPECT_EQ(out.sentence,
            "An upgrade of chat would be refused: there is no way back by a handoff; --one-way "
            "does it all the same.");
  facts.one_way = true;
  out = plan(facts);
  EXPECT_THAT(out.problems, ::testing::IsEmpty());
  EXPECT_THAT(out.sentence,
              HasSubstr("It is one-way: there is no way back by a handoff. If it does not pass its "
                        "probation, the old release is started from nothing, and the sessions "
                        "end."));
  facts.one_way = false;
  facts.heir->refused = 1;
  EXPECT_EQ(plan(facts).problems.size(), 1U) << "it would fail anyway";
}

TEST(PlanTest, ListsEverythingThatDoesNotFitNotOnlyTheFirst) {
  PlanFacts facts = good();
  facts.report.result = Report::Result::kFailed;
  facts.report.code = "version";
  facts.report.message = "the new release gave up: no state version in common";
  facts.donor.reset();
  facts.heir->complete = false;
  facts.heir->from->named.push_back({"admin", "tcp:127.0.0.1:7001"});
  facts.heir->to->kinds = {session(3, {3}, {3})};
  const Plan out = plan(facts);
  ASSERT_EQ(out.problems.size(), 2U);
  EXPECT_EQ(out.problems[0].code, "unclaimed");
  EXPECT_EQ(out.problems[1].code, "version");
  EXPECT_THAT(out.problems[1].text, HasSubstr("missing: 1 -> 2 -> 3"));
  EXPECT_FALSE(out.tried);
  EXPECT_FALSE(out.switching);
  EXPECT_THAT(out.sentence, HasSubstr("would fail, and its users would notice nothing"));
  EXPECT_THAT(out.sentence, HasSubstr("'admin'"));
}

TEST(PlanTest, StateThatMayStayIsNoProblem) {
  PlanFacts facts = good();
  facts.heir->to->kinds = {session(3, {3}, {3})};
  EXPECT_EQ(plan(facts).problems.size(), 1U);
  facts.drain_incompatible = true;
  EXPECT_TRUE(plan(facts).problems.empty());
}

TEST(PlanTest, RefusedSessionsAreAProblemWithUpToTenExamples) {
  PlanFacts facts = good();
  facts.heir->passed = 900;
  facts.heir->refused = 88;
  facts.donor->refused = 12;
  for (std::uint64_t id = 1; id <= 8; ++id) {
    facts.donor->findings.push_back({id, "session kind 'session'", "save() said no"});
    facts.heir->findings.push_back({100 + id, "session kind 'session'", "restore() said no"});
  }
  const Plan out = plan(facts);
  EXPECT_EQ(out.refused, 100U);
  EXPECT_EQ(out.examples.size(), 10U);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "rejected");
  EXPECT_EQ(out.problems[0].text, "100 sessions of 1000 would be refused: save() said no");
}

TEST(PlanTest, ASectionOrAListenerThatIsRefusedIsAProblem) {
  PlanFacts facts = good();
  facts.heir->findings.push_back({0, "section 'rooms'", "write() said no"});
  const Plan out = plan(facts);
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].text, "section 'rooms': write() said no");
  EXPECT_TRUE(out.examples.empty());
}

TEST(PlanTest, OfARehearsalThatNeverBeganItKnowsWhyAndNoMore) {
  PlanFacts facts;
  facts.report.code = "exec";
  facts.report.message = "the new release could not be started";
  const Plan out = make_plan(facts, "chat", "");
  ASSERT_EQ(out.problems.size(), 1U);
  EXPECT_EQ(out.problems[0].code, "exec");
  EXPECT_FALSE(out.way_back);
  EXPECT_FALSE(out.needed_memory);
  EXPECT_FALSE(out.tried);
}

TEST(PlanTest, OfAnHeirThatDidNotComeSoFarTheMemoryIsGuessed) {
  PlanFacts facts;
  facts.report.code = "resources";
  facts.memory = {{.of = "control group /kv", .most = 250, .used = 190}};
  facts.donor_own = 165;
  const Plan out = plan(facts);
  EXPECT_TRUE(out.memory_guessed);
  EXPECT_EQ(out.needed_memory, 165U);
  EXPECT_EQ(out.free_memory, 60U);
  EXPECT_EQ(out.free_memory_of, "control group /kv");
  EXPECT_FALSE(plan(good()).memory_guessed);
}

TEST(PlanTest, WhatHasHappenedIsNotToldAsWhatWould) {
  PlanFacts facts;
  facts.report.result = Report::Result::kLost;
  facts.report.code = "peer_died";
  facts.report.message = "the old release was killed by SIGSEGV";
  EXPECT_EQ(make_plan(facts, "chat", "").sentence,
            "chat died by itself during the rehearsal, which says nothing of the upgrade: the old "
            "release was killed by SIGSEGV.");
  EXPECT_EQ(make_plan(facts, "chat", "").problems.size(), 1U);
  facts = good();
  facts.report.result = Report::Result::kDone;
  EXPECT_THAT(plan(facts).sentence, HasSubstr("has taken over, although this was a rehearsal"));
  EXPECT_EQ(plan(facts).problems.size(), 1U);
}

TEST(PlanTest, TellsWhoWouldNoticeAndWhoWouldWait) {
  PlanFacts facts = good();
  facts.donor->sessions = facts.heir->sessions = facts.heir->passed = 0;
  EXPECT_EQ(plan(facts).sentence,
            "An upgrade of chat to release 2.0 would be noticed by nobody: nobody is connected.");
  facts = good();
  facts.heir->passed = 1;
  facts.donor->busy = 3;
  EXPECT_THAT(plan(facts).sentence,
              HasSubstr("1 session would move, 3 would stay with the old release until idle"));
}

}  // namespace
}  // namespace handoff::supervisor
