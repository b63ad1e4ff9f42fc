#include "core/address.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

TEST(AddressTest, ReadsAndWritesEveryForm) {
  for (const char* text :
       {"tcp:127.0.0.1:7000", "tcp:0.0.0.0:0", "tcp:[::1]:65535", "udp:10.0.0.1:53",
        "udp:[fe80::1%eth0]:53", "unix:/run/x.sock", "unix:@abstract"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << address.error();
    EXPECT_EQ(text, to_string(*address));
  }
}

TEST(AddressTest, RefusesWhatItCantMeanAndNamesIt) {
  for (const std::string text :
       {"", "7000", "127.0.0.1:7000", "tcp:", "tcp:7000", "tcp::7000", "tcp:localhost:7000",
        "tcp:127.0.0.1:", "tcp:127.0.0.1:65536", "tcp:127.0.0.1:-1", "tcp:127.0.0.1:7x",
        "tcp:::1:7000", "unix:", "unix:@", "unix:relative", "http:127.0.0.1:80"}) {
    const auto address = parse_address(text);
    EXPECT_FALSE(address) << text;
    if (!address) {
      EXPECT_NE(std::string::npos, address.error().find("'" + text + "'"));
    }
  }
  EXPECT_FALSE(parse_address("unix:/" + std::string(107, 'x')));
  EXPECT_TRUE(parse_address("unix:/" + std::string(106, 'x')));
  EXPECT_FALSE(parse_address(std::string_view("unix:/a\0b", 9)));
}

}  // namespace
}  // namespace handoff::core
