#include "address.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

TEST(AddressTest, ComesBackAsItWasWritten) {
  for (const char* text :
       {"tcp:127.0.0.1:7000", "tcp:0.0.0.0:0", "tcp:[::1]:65535", "tcp:[::]:80", "udp:127.0.0.1:53",
        "udp:[fe80::1]:5", "unix:/run/x.sock", "unix:@name"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << text << ": " << address.error().message;
    EXPECT_EQ(to_string(*address), text);
  }
}

TEST(AddressTest, SaysWhatIsWrong) {
  const auto why = [](const std::string& text) {
    const auto address = parse_address(text);
    return address ? "accepted" : address.error().message;
  };
  EXPECT_NE(why("tcp:localhost:80").find("names are not looked up"), std::string::npos);
  EXPECT_NE(why("tcp:::1:80").find("in brackets"), std::string::npos);
  EXPECT_NE(why("tcp:127.0.0.1:65536").find("0 to 65535"), std::string::npos);
  EXPECT_NE(why("tcp:127.0.0.1:-1").find("0 to 65535"), std::string::npos);
  EXPECT_NE(why("tcp:127.0.0.1:").find("0 to 65535"), std::string::npos);
  EXPECT_NE(why("tcp:127.0.0.1").find("expected tcp:HOST:PORT"), std::string::npos);
  EXPECT_NE(why("sctp:127.0.0.1:1").find("expected tcp:HOST:PORT"), std::string::npos);
  EXPECT_NE(why("unix:relative").find("absolute path"), std::string::npos);
  EXPECT_NE(why("unix:").find("absolute path"), std::string::npos);
  EXPECT_NE(why("unix:@").find("absolute path"), std::string::npos);
  EXPECT_NE(why("unix:/" + std::string(107, 'x')).find("at most 107"), std::string::npos);
  EXPECT_EQ(why("unix:/" + std::string(106, 'x')), "accepted");
}

TEST(AddressTest, HasAName) {
  const auto named = parse_named_address("public=unix:/run/a=b.sock");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->name, "public");
  EXPECT_EQ(named->address.path, "/run/a=b.sock");
  EXPECT_FALSE(parse_named_address("tcp:127.0.0.1:80"));
  EXPECT_FALSE(parse_named_address("=tcp:127.0.0.1:80"));
  EXPECT_FALSE(parse_named_address("a b=tcp:127.0.0.1:80"));
}

}  // namespace
}  // namespace handoff::supervisor
