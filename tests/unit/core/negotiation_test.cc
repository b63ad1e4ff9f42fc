// Negotiation: the versions that two releases find, and the words of each refusal.
#include "libhandoff/core/negotiation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libhandoff/core/lanes.h"

namespace handoff::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Versions = std::vector<std::uint32_t>;

Offer offer(std::vector<Kind> kinds, std::vector<Named> named = {}) {
  return {.protocol_min = 1,
          .protocol_max = 1,
          .manifest = {.service = "chat",
                       .release = "1.0",
                       .kinds = std::move(kinds),
                       .named = std::move(named)}};
}
Kind session(Versions reads, Versions writes) {
  return {.name = "session", .section = false, .version = 1, .reads = reads, .writes = writes};
}

TEST(NegotiationTest, TakesTheHighestVersionThatTheDonorWritesAndTheHeirReads) {
  const auto plan = negotiate(offer({session({1}, {1, 2, 4})}), offer({session({1, 2, 3}, {3})}));
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->versions, ElementsAre(2));
  EXPECT_EQ(1U, plan->protocol);
}

TEST(NegotiationTest, WhatHasNoVersionInCommonStaysIfThatIsThePolicyAndTheHeirKnowsLinks) {
  Kind users{.name = "users", .section = true, .reads = {5}, .writes = {5}};
  Offer donor = offer({session({2}, {2}), users});
  Kind newer = users;
  newer.reads = {6};
  Offer heir = offer({session({1}, {1}), newer});
  for (const bool drains : {false, true}) {
    for (const bool links : {false, true}) {
      donor.links = true;
      donor.drain_incompatible = drains;
      heir.links = links;
      const auto plan = negotiate(donor, heir);
      ASSERT_EQ(drains && links, plan.has_value()) << drains << links;
      if (!plan) continue;
      EXPECT_THAT(plan->versions, ElementsAre(0, 0));
    }
  }
  // A kind that the heir does not claim is refused all the same (invariant I7, docs/invariants.md).
  EXPECT_FALSE(negotiate(donor, offer({session({2}, {2})})));
}

TEST(NegotiationTest, ARegionGoesInTheLayoutThatItHasOrNotAtAll) {
  Kind table{.name = "table", .version = 2, .reads = {1, 2}, .writes = {2}, .region = true};
  Kind newer{.name = "table", .version = 3, .reads = {1, 2, 3}, .writes = {3}, .region = true};
  const auto plan = negotiate(offer({table}), offer({newer}));
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->versions, ElementsAre(2));
  const auto back = negotiate(offer({newer}), offer({table}));
  ASSERT_FALSE(back);
  EXPECT_EQ(Code::kVersion, back.error().code);
  EXPECT_THAT(back.error().text, HasSubstr("region 'table'"));
  EXPECT_THAT(back.error().text, HasSubstr("writes 3, release 1.0 reads 1, 2"));
}

TEST(NegotiationTest, ARegionThatIsNotClaimedAsOneIsRefused) {
  Kind table{.name = "table", .version = 1, .reads = {1}, .writes = {1}, .region = true};
  Kind section{.name = "table", .section = true, .version = 1, .reads = {1}, .writes = {1}};
  Kind sessions{.name = "table", .version = 1, .reads = {1}, .writes = {1}};
  for (const auto& kinds : {std::vector<Kind>{}, {section}, {sessions}}) {
    const auto plan = negotiate(offer({table}), offer(kinds));
    ASSERT_FALSE(plan);
    EXPECT_EQ(Code::kUnclaimed, plan.error().code);
    EXPECT_THAT(plan.error().text, HasSubstr("does not claim region 'table'"));
  }
  EXPECT_FALSE(negotiate(offer({sessions}), offer({table})));
  const Offer shared = offer({table});
  EXPECT_THAT(link_versions(shared.manifest, shared.manifest), ElementsAre(0));
}

TEST(NegotiationTest, OverALinkSectionsNeverGoAndKindsWithoutACommonVersionStay) {
  Kind users{.name = "users", .section = true, .reads = {5}, .writes = {5}};
  Kind calls{.name = "calls", .section = false, .version = 2, .reads = {2}, .writes = {1, 2}};
  Kind older{.name = "calls", .section = false, .version = 1, .reads = {1}, .writes = {1}};
  const Offer giver = offer({session({2}, {2}), users, calls});
  const Offer taker = offer({older, session({3}, {3}), users});
  EXPECT_THAT(link_versions(giver.manifest, taker.manifest), ElementsAre(0, 0, 1));
  EXPECT_THAT(link_versions(taker.manifest, giver.manifest), ElementsAre(0, 0, 0));
}

// ---- the kinds of listeners

Kind of(const std::string& listener) {
  Kind kind = session({2}, {1, 2});
  kind.listener = listener;
  return kind;
}
Offer knowing(std::vector<Kind> kinds) {
  Offer out = offer(std::move(kinds));
  out.manifest.knows_listeners = true;
  return out;
}

TEST(NegotiationTest, AListenersKindIsFoundByTheListener) {
  const Offer donor = knowing({session({2}, {2}), of("public"), of("admin")});
  Kind admin = of("admin");
  admin.reads = {1};
  const auto plan = negotiate(donor, knowing({session({2}, {2}), admin, of("public")}));
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->versions, ElementsAre(2, 2, 1));
  const auto against = negotiate(donor, knowing({session({2}, {2}), of("public")}));
  ASSERT_FALSE(against);
  EXPECT_EQ(Code::kUnclaimed, against.error().code);
  EXPECT_THAT(against.error().text, HasSubstr("does not claim session kind 'admin'"));
}

TEST(NegotiationTest, AKindThatIsDeclaredUnderTheListenersNameIsTheListeners) {
  const Kind declared{.name = "admin", .version = 3, .reads = {1, 3}, .writes = {1, 3}};
  const Offer before = knowing({session({2}, {2}), of("admin")});
  const Offer after = knowing({session({2}, {2}), declared});
  EXPECT_THAT(negotiate(before, after)->versions, ElementsAre(2, 1));
  EXPECT_FALSE(negotiate(after, before)) << "it reads 2 alone";
  // A release that does not know of listeners' kinds finds a kind by the name alone, and so the
  // donor must, too.
  Offer older = offer({session({1}, {1}), declared});
  EXPECT_THAT(negotiate(knowing({of("admin")}), older)->versions, ElementsAre(1));
}

TEST(NegotiationTest, WhatIsMissingOfTheVersionsOfAllIsSaidOnce) {
  const Offer donor = knowing({session({2}, {2}), of("public"), of("admin")});
  Kind admin = of("admin");
  Offer heir = knowing({session({3}, {3}), of("public"), admin});
  for (Kind& kind : heir.manifest.kinds) kind.reads = {3};
  ASSERT_EQ(1U,
            mismatches(knowing({session({2}, {1, 2}), of("public"), of("admin")}), heir).size());
  EXPECT_THAT(mismatches(donor, heir).front().text, HasSubstr("session kind 'session'"));
  // A kind that was declared for one of them has versions of its own.
  heir.manifest.kinds[2] = {.name = "admin", .version = 4, .reads = {4}, .writes = {4}};
  EXPECT_EQ(2U,
            mismatches(knowing({session({2}, {1, 2}), of("public"), of("admin")}), heir).size());
}

TEST(NegotiationTest, AReleaseWithoutListenersKindsTakesThemByTheKindSession) {
  for (const bool knows : {false, true}) {
    Offer heir = offer({session({1, 2}, {1})});
    heir.manifest.knows_listeners = knows;
    EXPECT_THAT(negotiate(knowing({session({2}, {2}), of("public")}), heir)->versions,
                ElementsAre(2, 2));
    const auto two = negotiate(knowing({session({2}, {2}), of("public"), of("admin")}), heir);
    ASSERT_FALSE(two);
    EXPECT_EQ(Code::kUnclaimed, two.error().code);
    EXPECT_THAT(two.error().text,
                HasSubstr("can't tell session kind 'admin' from session kind 'public'"));
  }
}

TEST(NegotiationTest, OverALinkAListenersKindGoesAsAtASwitch) {
  const Offer giver = knowing({session({2}, {2}), of("public")});
  EXPECT_THAT(link_versions(giver.manifest, offer({session({1}, {1})}).manifest),
              ElementsAre(0, 1));
  EXPECT_THAT(link_versions(giver.manifest, knowing({of("admin"), of("public")}).manifest),
              ElementsAre(0, 2));
}

TEST(NegotiationTest, NumbersVersionsByTheDonorsKinds) {
  Kind data{.name = "data", .section = true, .reads = {1}, .writes = {1}};
  Kind users{.name = "users", .section = true, .reads = {5}, .writes = {5}};
  const auto plan =
      negotiate(offer({session({2}, {2}), users, data}), offer({data, session({2}, {2}), users}));
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->versions, ElementsAre(2, 5, 1));
}

TEST(NegotiationTest, AnHeirMayKnowMoreThanTheDonor) {
  Kind data{.name = "data", .section = true, .reads = {1}, .writes = {1}};
  EXPECT_TRUE(
      negotiate(offer({session({1}, {1})}), offer({session({1}, {1}), data}, {{"public"}})));
}

void expect_refused(const Offer& donor, const Offer& heir, Code code, const std::string& text) {
  const auto plan = negotiate(donor, heir);
  ASSERT_FALSE(plan);
  EXPECT_EQ(code, plan.error().code);
  EXPECT_THAT(plan.error().text, HasSubstr(text));
}

TEST(NegotiationTest, RefusesWhatHasNoVersionInCommonAndSaysWhich) {
  expect_refused(offer({session({1}, {3, 4})}), offer({session({1, 2}, {2})}), Code::kVersion,
                 "release 1.0 writes 3, 4, release 1.0 reads 1, 2");
}

TEST(NegotiationTest, NamesTheChainThatIsMissingAndWhoHasToKnowIt) {
  Offer one = offer({session({1}, {1})});
  Offer three = offer({session({3}, {3})});
  three.manifest.release = "3.0";
  expect_refused(one, three, Code::kVersion,
                 "missing: 1 -> 2 -> 3, which the newer code has to know (release 3.0)");
  expect_refused(three, one, Code::kVersion,
                 "missing: 3 -> 2 -> 1, which the newer code has to know (release 3.0)");
  // Of several chains the shortest is named; of a very long one only the ends.
  expect_refused(offer({session({1}, {1, 2})}), offer({session({4, 9}, {9})}), Code::kVersion,
                 "missing: 2 -> 3 -> 4,");
  expect_refused(offer({session({1}, {1})}), offer({session({4000000}, {1})}), Code::kVersion,
                 "missing: 1 -> ... -> 4000000,");
  expect_refused(offer({session({1}, {1})}), offer({session({}, {})}), Code::kVersion,
                 "release 1.0 reads none");
}

TEST(NegotiationTest, ListsAllThatDoesNotFitAndRefusesWithTheFirst) {
  Kind data{.name = "data", .section = true, .reads = {1}, .writes = {1}};
  const Offer donor =
      offer({session({1}, {1}), data}, {{.name = "admin", .address = "tcp:127.0.0.1:1"}});
  Offer heir = offer({session({2}, {2})});
  heir.manifest.service = "mail";
  heir.lane = 1;
  const auto against = mismatches(donor, heir);
  ASSERT_EQ(5U, against.size());
  EXPECT_THAT(against[0].text, HasSubstr("lanes"));
  EXPECT_THAT(against[1].text, HasSubstr("'mail'"));
  EXPECT_THAT(against[2].text, HasSubstr("'admin'"));
  EXPECT_THAT(against[3].text, HasSubstr("session kind 'session'"));
  EXPECT_THAT(against[4].text, HasSubstr("section 'data'"));
  EXPECT_EQ(against[0], negotiate(donor, heir).error());
  EXPECT_TRUE(mismatches(donor, donor).empty());
}

TEST(NegotiationTest, RefusesWhatTheHeirDoesNotClaim) {
  Kind data{.name = "data", .section = true, .reads = {1}, .writes = {1}};
  expect_refused(offer({session({1}, {1}), data}), offer({session({1}, {1})}), Code::kUnclaimed,
                 "section 'data'");
  // A session kind does not make up for a section of the same name.
  Kind imposter = data;
  imposter.section = false;
  expect_refused(offer({data}), offer({imposter}), Code::kUnclaimed, "section 'data'");
  expect_refused(offer({}, {{.name = "admin", .address = "tcp:127.0.0.1:1"}}), offer({}),
                 Code::kUnclaimed, "'admin' (tcp:127.0.0.1:1)");
  expect_refused(offer({}, {{.name = "log"}}), offer({}), Code::kUnclaimed, "'log' (an fd)");
}

TEST(NegotiationTest, RefusesAnotherService) {
  Offer heir = offer({});
  heir.manifest.service = "mail";
  expect_refused(offer({}), heir, Code::kUnclaimed, "'mail'");
}

TEST(NegotiationTest, RefusesProtocolVersionsThatDoNotOverlap) {
  for (const auto& [low, high, good] : std::vector<std::tuple<std::uint32_t, std::uint32_t, bool>>{
           {1, 1, false}, {1, 2, true}, {3, 3, true}, {4, 9, true}, {5, 9, false}}) {
    Offer donor = offer({});
    donor.protocol_min = 2;
    donor.protocol_max = 4;
    Offer heir = offer({});
    heir.protocol_min = low;
    heir.protocol_max = high;
    EXPECT_EQ(good, negotiate(donor, heir).has_value()) << low << " to " << high;
  }
}

TEST(NegotiationTest, RefusesAnotherLane) {
  Offer heir = offer({});
  heir.lane = 1;
  expect_refused(offer({}), heir, Code::kProtocol, "lanes");
}

TEST(NegotiationTest, TheNumbersOfLanesMayDiffer) {
  Offer donor = offer({});
  Offer heir = offer({});
  donor.lanes = 2;
  heir.lanes = 3;
  EXPECT_TRUE(negotiate(donor, heir));
  heir.lanes = 0;
  expect_refused(donor, heir, Code::kProtocol, "lanes");
  heir.lanes = kMaxLanes + 1;
  expect_refused(donor, heir, Code::kProtocol, "lanes");
}

TEST(NegotiationTest, RefusesLanesThatWouldTakeMoreChannelsThanAFrameHasFds) {
  Offer donor = offer({});
  Offer heir = offer({});
  donor.lanes = 63;
  heir.lanes = 64;
  expect_refused(donor, heir, Code::kRejected, "too many channels");
  donor.lanes = 64;
  EXPECT_TRUE(negotiate(donor, heir));
}

TEST(ChainTest, FindsTheShortestWayInBothDirections) {
  const std::vector<Step> steps{{1, 2}, {2, 3}, {3, 2}, {2, 1}, {3, 4}};
  EXPECT_THAT(*find_chain(steps, 1, 4), ElementsAre(Step{1, 2}, Step{2, 3}, Step{3, 4}));
  EXPECT_THAT(*find_chain(steps, 3, 1), ElementsAre(Step{3, 2}, Step{2, 1}));
  EXPECT_TRUE(find_chain(steps, 2, 2)->empty());
  EXPECT_FALSE(find_chain(steps, 4, 1));
  EXPECT_FALSE(find_chain({}, 1, 2));
}

TEST(ChainTest, KnowsWhatCanBeReadAndWritten) {
  const std::vector<Step> steps{{1, 2}, {2, 3}, {3, 2}};
  EXPECT_THAT(readable(steps, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(writable(steps, 3), ElementsAre(2, 3));
  EXPECT_THAT(readable({}, 7), ElementsAre(7));
}

}  // namespace
}  // namespace handoff::core
