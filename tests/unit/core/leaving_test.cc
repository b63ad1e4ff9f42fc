// What a donor leaves out, and under which numbers the rest goes over. That nothing gets lost on
// any way between two releases is tests/simulation/names_test.cc's.
#include "libhandoff/core/leaving.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libhandoff/core/negotiation.h"

namespace handoff::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr MayLeaveOut kAll{true, true, true};

Kind session(const std::string& name = "session", const std::string& listener = "") {
  Kind out{.name = name, .version = 1, .reads = {1}, .writes = {1}};
  out.listener = listener;
  return out;
}
Kind section(const std::string& name) {
  return {.name = name, .section = true, .reads = {1}, .writes = {1}};
}
Kind region(const std::string& name) {
  return {.name = name, .version = 1, .reads = {1}, .writes = {1}, .region = true};
}
Named listener(const std::string& name) { return {.name = name, .address = "tcp:0.0.0.0:1"}; }

Manifest manifest(std::vector<Kind> kinds, std::vector<Named> named) {
  return {.service = "chat",
          .release = "1.0",
          .kinds = std::move(kinds),
          .named = std::move(named),
          .knows_listeners = true};
}

std::vector<std::string> told(const Leaving& leaving) {
  std::vector<std::string> out;
  for (const LeftOut& one : leaving.all) out.push_back(describe(one));
  return out;
}

const Manifest kRich = manifest({session(), session("bulk"), section("rooms"), region("index")},
                                {listener("public"), listener("admin"), {.name = "log"}});
const Manifest kPoor = manifest({session()}, {listener("public")});

TEST(LeavingTest, LeavesOutWhatTheHeirDoesNotClaimAndNumbersTheRestAnew) {
  const Leaving out = leaving(kRich, kPoor, kAll);
  EXPECT_THAT(told(out), ElementsAre("listener 'admin'", "the fd 'log'", "session kind 'bulk'",
                                     "section 'rooms'", "region 'index'"));
  const Manifest rest = without(kRich, out);
  ASSERT_EQ(rest.kinds.size(), 1U);
  EXPECT_EQ(rest.kinds[0].name, "session");
  ASSERT_EQ(rest.named.size(), 1U);
  EXPECT_EQ(rest.named[0].name, "public");
  EXPECT_THAT(versions_of_all({7}, out), ElementsAre(7, 0, 0, 0));
}

TEST(LeavingTest, AKindBehindOneThatIsLeftOutHasALowerNumber) {
  const Manifest claims = manifest({session(), region("index")}, {listener("public")});
  const Leaving out = leaving(kRich, claims, kAll);
  EXPECT_FALSE(out.has_kind(0));
  EXPECT_TRUE(out.has_kind(1));
  EXPECT_TRUE(out.has_kind(2));
  EXPECT_FALSE(out.has_kind(3));
  EXPECT_EQ(out.on_wire(0), 0U);
  EXPECT_EQ(out.on_wire(3), 1U);
  EXPECT_THAT(versions_of_all({7, 9}, out), ElementsAre(7, 0, 0, 9));
}

TEST(LeavingTest, EachSortIsLeftOutOnlyIfItMayBe) {
  EXPECT_THAT(told(leaving(kRich, kPoor, {})), IsEmpty());
  EXPECT_THAT(told(leaving(kRich, kPoor, {.listeners = true})), ElementsAre("listener 'admin'"));
  EXPECT_THAT(told(leaving(kRich, kPoor, {.sections = true})),
              ElementsAre("the fd 'log'", "section 'rooms'", "region 'index'"));
  EXPECT_THAT(told(leaving(kRich, kPoor, {.sessions = true})), ElementsAre("session kind 'bulk'"));
  const Manifest all = without(kRich, leaving(kRich, kPoor, {}));
  EXPECT_EQ(all.kinds.size(), kRich.kinds.size());
  EXPECT_EQ(all.named.size(), kRich.named.size());
  EXPECT_THAT(versions_of_all({1, 2, 3, 4}, leaving(kRich, kPoor, {})), ElementsAre(1, 2, 3, 4));
}

TEST(LeavingTest, AReleaseThatNamesNothingGetsAllListeners) {
  Manifest claims = kPoor;
  claims.named.clear();
  EXPECT_THAT(told(leaving(kRich, claims, {.listeners = true, .sections = false})), IsEmpty());
}

TEST(LeavingTest, WithoutClaimsOrOfAnotherServiceNothingIsLeftOut) {
  EXPECT_THAT(told(leaving(kRich, {}, kAll)), IsEmpty());
  Manifest other = kPoor;
  other.service = "kv";
  EXPECT_THAT(told(leaving(kRich, other, kAll)), IsEmpty());
}

// A release without kinds of listeners would take the sessions of both for its kind "session".
TEST(LeavingTest, SessionsOfAListenerThatIsLeftOutAreNotThoseOfAnother) {
  const Manifest donor =
      manifest({session(), session("session", "public"), session("session", "admin")},
               {listener("public"), listener("admin")});
  EXPECT_THAT(told(leaving(donor, kPoor, kAll)),
              ElementsAre("listener 'admin'", "session kind 'admin'"));
  // One that has a kind of that name takes them, wherever they came from.
  Manifest claims = kPoor;
  claims.kinds.push_back(session("admin"));
  EXPECT_THAT(told(leaving(donor, claims, kAll)), ElementsAre("listener 'admin'"));
}

TEST(LeavingTest, OverALinkSessionsOfAListenerThatTheTakerLacksStay) {
  const Manifest giver =
      manifest({session(), session("session", "public"), session("session", "admin")}, {});
  EXPECT_THAT(link_versions(giver, kPoor), ElementsAre(1, 1, 0));
  // Whether only one of them says its names, or neither, as older ones.
  Manifest silent = kPoor;
  silent.named.clear();
  EXPECT_THAT(link_versions(giver, silent), ElementsAre(1, 1, 1));
  Manifest named = giver;
  named.named = {listener("public"), listener("admin")};
  EXPECT_THAT(link_versions(named, silent), ElementsAre(1, 1, 1));
  EXPECT_THAT(link_versions(silent, named), ElementsAre(1));
  EXPECT_THAT(link_versions(named, named), ElementsAre(1, 1, 1));
  EXPECT_THAT(link_versions(giver, giver), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace handoff::core
