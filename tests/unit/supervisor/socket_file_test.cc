// Whose the file of a Unix listener is to be: looked up where that may take its time, and nowhere
// else.
#include "supervisor/listeners/socket_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "listener_tools.h"
#include "supervisor/listeners/listeners.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

NamedAddress owned_by(const std::string& user, const std::string& group,
                      const std::string& path = "/nowhere") {
  NamedAddress out = named("a", "unix:" + path);
  out.options.user = user;
  out.options.group = group;
  return out;
}

TEST(SocketFileTest, ANameIsKnownOnceItWasLookedUpAndANumberAlways) {
  EXPECT_EQ(owner_of(owned_by("4711", "4712").options)->user, 4711U);
  EXPECT_EQ(owner_of(owned_by("4711", "4712").options)->group, 4712U);
  for (NamedAddress one : {owned_by("root", "0"), owned_by("0", "root")}) {
    EXPECT_FALSE(owner_of(one.options));
    look_up(one);
    const auto owner = owner_of(one.options);
    ASSERT_TRUE(owner) << owner.error().message;
    EXPECT_EQ(owner->user, 0U);
    EXPECT_EQ(owner->group, 0U);
  }
  NamedAddress nobody = owned_by("nobody-of-that-name", "");
  look_up(nobody);
  ASSERT_FALSE(owner_of(nobody.options));
  EXPECT_EQ(owner_of(nobody.options).error().code, -ENOENT);
  EXPECT_EQ(nobody, owned_by("nobody-of-that-name", ""));
}

TEST(SocketFileTest, AnInterfaceHasItsNameOnceItWasLookedUp) {
  NamedAddress one = named("a", "tcp:[fe80::1%1]:0");
  look_up(one);
  EXPECT_EQ(core::to_string(one.address), "tcp:[fe80::1%lo]:0");
}

// Seen: each bind asked, on the loop.
TEST(SocketFileTest, ABindAsksNobodyAndWhatWasLookedUpMeanwhileIsKnownToTheNext) {
  const test::TempDir scratch;
  Notify notify;
  Listeners listeners("chat", {owned_by("root", "", scratch / "s")}, notify);
  EXPECT_FALSE(listeners.bind_missing());
  std::vector<NamedAddress> unknown = listeners.of_unknown_owners(false);
  ASSERT_EQ(unknown.size(), 1U);
  look_up(unknown[0]);
  listeners.know(unknown);
  EXPECT_TRUE(listeners.of_unknown_owners(true).empty());
  const auto bound = listeners.bind_missing();
  EXPECT_TRUE(bound) << bound.error().message;
}

TEST(SocketFileTest, AStartWaitsForNoOwnerOfWhatItCanDoWithout) {
  const test::TempDir scratch;
  Notify notify;
  Listeners listeners("chat", {}, notify);
  listeners.want({owned_by("root", "", scratch / "s")}, true);  // by a reload
  EXPECT_TRUE(listeners.of_unknown_owners(false).empty());
  EXPECT_EQ(listeners.of_unknown_owners(true).size(), 1U) << "for an upgrade";
}

}  // namespace
}  // namespace handoff::supervisor
