// Listeners that are at another address than the configuration says.
#include "supervisor/core/elsewhere.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SaidListener said(const std::string& name, const std::string& address) {
  const auto parsed = core::parse_address(address);
  EXPECT_TRUE(parsed) << address;
  return {name, parsed.value_or(core::Address{})};
}
bool at(const std::string& bound, const std::string& wanted) {
  const bool is = core::is_at(said("", bound).address, said("", wanted).address);
  const bool found = elsewhere({{"a", bound}}, {said("a", wanted)}).empty();
  EXPECT_EQ(is, found) << bound << " " << wanted;
  return is;
}

// Each is another place than each other.
TEST(ElsewhereTest, AnAddressIsAtItselfAndAtNoOther) {
  const std::vector<std::string> all{"tcp:127.0.0.1:7000",    "tcp:127.0.0.1:7001",
                                     "tcp:127.0.0.2:7000",    "tcp:0.0.0.0:7000",
                                     "udp:127.0.0.1:7000",    "tcp:[::1]:7000",
                                     "tcp:[::]:7000",         "tcp:[fe80::1%eth0]:7000",
                                     "tcp:[fe80::1%lo]:7000", "unix:/run/a",
                                     "unix:/run/b",           "unix:@/run/a"};
  for (const std::string& bound : all) {
    for (const std::string& wanted : all) EXPECT_EQ(at(bound, wanted), bound == wanted);
  }
}

TEST(ElsewhereTest, PortZeroIsAnyPort) {
  EXPECT_TRUE(at("tcp:127.0.0.1:40000", "tcp:127.0.0.1:0"));
  EXPECT_FALSE(at("tcp:127.0.0.1:40000", "tcp:127.0.0.2:0"));
  EXPECT_FALSE(at("tcp:127.0.0.1:40000", "udp:127.0.0.1:0"));
}

TEST(ElsewhereTest, AnAddressMayBeWrittenInMoreThanOneWay) {
  EXPECT_TRUE(at("tcp:[::1]:7000", "tcp:[0:0:0:0:0:0:0:1]:7000"));
  EXPECT_TRUE(at("tcp:[2001:db8::a]:7000", "tcp:[2001:DB8:0::000a]:7000"));
  EXPECT_TRUE(at("tcp:[fe80::1%eth0]:7000", "tcp:[FE80:0::1%eth0]:7000"));
}

TEST(ElsewhereTest, OnlyWhatTheConfigurationNamesIsElsewhere) {
  EXPECT_THAT(elsewhere({{"own", "tcp:127.0.0.1:1"}, {"odd", "no address"}},
                        {said("public", "tcp:127.0.0.1:2"), said("odd", "tcp:127.0.0.1:2")}),
              IsEmpty());
  EXPECT_THAT(elsewhere({}, {said("public", "tcp:127.0.0.1:2")}), IsEmpty()) << "nobody has it";
  const Elsewhere moved{"public", "tcp:127.0.0.1:1", "tcp:127.0.0.1:2"};
  EXPECT_THAT(elsewhere({{"admin", "unix:/a"}, {"public", "tcp:127.0.0.1:1"}},
                        {said("public", "tcp:127.0.0.1:2"), said("admin", "unix:/a")}),
              ElementsAre(moved));
  EXPECT_EQ(
      tell(moved, "chat"),
      "listener public listens at tcp:127.0.0.1:1, and the configuration says "
      "tcp:127.0.0.1:2: it moves at the next upgrade (handoff upgrade chat or handoff restart "
      "chat)");
}

}  // namespace
}  // namespace handoff::supervisor
