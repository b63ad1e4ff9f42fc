// Addresses of listeners: every form, and what is wrong with any other text.
#include "libhandoff/core/address.h"

#include <gtest/gtest.h>

namespace handoff::core {
namespace {

TEST(AddressTest, ReadsAndWritesEveryForm) {
  for (const char* text :
       {"tcp:127.0.0.1:7000", "tcp:0.0.0.0:0", "tcp:[::1]:65535", "tcp:[::]:80", "udp:10.0.0.1:53",
        "udp:[fe80::1%eth0]:53", "unix:/run/x.sock", "unix:@abstract",
        "unix:/run/r\xc3\xa4ume/\xe2\x82\xac/\xf0\x9f\x8d\xb5"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << address.error();
    EXPECT_EQ(text, to_string(*address));
  }
}

TEST(AddressTest, AnIpv6HostIsTheSameHoweverItIsWritten) {
  for (const auto& [text, plain] : std::vector<std::pair<std::string, std::string>>{
           {"tcp:[0:0:0:0:0:0:0:1]:80", "tcp:[::1]:80"},
           {"tcp:[2001:DB8:0::000a]:80", "tcp:[2001:db8::a]:80"},
           {"tcp:[FE80:0::1%eth0]:80", "tcp:[fe80::1%eth0]:80"},
           {"udp:[ff02::1%2]:80", "udp:[ff02::1%2]:80"},
           // The kernel binds them on any interface.
           {"tcp:[::1%lo]:80", "tcp:[::1]:80"},
           {"tcp:[2001:db8::a%eth0]:80", "tcp:[2001:db8::a]:80"}}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address) << address.error();
    EXPECT_EQ(plain, to_string(*address));
  }
}

TEST(AddressTest, ASocketIsWhereItIsBoundAndWhereThatMayMean) {
  const auto at = [](const char* bound, const char* said) {
    return is_at(*parse_address(bound), *parse_address(said));
  };
  EXPECT_TRUE(at("tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%eth0]:80"));
  EXPECT_TRUE(at("tcp:[fe80::1%eth0]:80", "tcp:[fe80::1]:0")) << "bound to a device, say";
  EXPECT_FALSE(at("tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%eth1]:80"));
  EXPECT_FALSE(at("tcp:[fe80::1%eth0]:80", "tcp:[fe80::2]:80"));
  EXPECT_FALSE(at("tcp:[fe80::1]:80", "tcp:[fe80::1%eth0]:80"));
  EXPECT_TRUE(at("unix:/a%b", "unix:/a%b"));
  EXPECT_FALSE(at("unix:/a%b", "unix:/a"));
}

TEST(AddressTest, SaysWhatIsWrong) {
  const auto why = [](const std::string& text) {
    const auto address = parse_address(text);
    return address ? "accepted" : address.error();
  };
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "expected tcp:HOST:PORT"},
           {"7000", "expected tcp:HOST:PORT"},
           {"sctp:127.0.0.1:1", "expected tcp:HOST:PORT"},
           {"tcp:127.0.0.1", "expected tcp:HOST:PORT"},
           {"tcp:localhost:80", "names are not looked up"},
           {"tcp:300.0.0.1:80", "names are not looked up"},
           {"tcp::80", "names are not looked up"},
           {"tcp:::1:80", "in brackets"},
           {"tcp:127.0.0.1:", "0 to 65535"},
           {"tcp:127.0.0.1:-1", "0 to 65535"},
           {"tcp:127.0.0.1:7x", "0 to 65535"},
           {"tcp:127.0.0.1:65536", "0 to 65535"},
           {"unix:", "absolute path"},
           {"unix:@", "absolute path"},
           {"unix:relative", "absolute path"},
           {"unix:/" + std::string(107, 'x'), "at most 107"},
           {std::string("unix:/a\0b", 9), "NUL"},
           {std::string("tcp:127.0.0.1\0x:80", 18), "names are not looked up"},
           {std::string("tcp:[::1%lo\0x]:80", 17), "names are not looked up"},
           {"tcp:[fe80::1%]:80", "names are not looked up"},
           {"tcp:[fe80::1%" + std::string(16, 'x') + "]:80", "names are not looked up"},
           {"unix:/r\xe4ume", "UTF-8"},
           {"unix:@\xc0\xaf", "UTF-8"},          // more bytes than it needs
           {"unix:/\xed\xa0\x80", "UTF-8"},      // half of a pair of UTF-16
           {"unix:/\xf4\x90\x80\x80", "UTF-8"},  // above U+10FFFF
           {"unix:/\xe2\x82", "UTF-8"},
           {"tcp:[::1%\xff]:80", "names are not looked up"}}) {
    EXPECT_NE(std::string::npos, why(text).find(part)) << text << ": " << why(text);
    EXPECT_NE(std::string::npos, why(text).find("\"" + text + "\"")) << text;
  }
  EXPECT_EQ("accepted", why("unix:/" + std::string(106, 'x')));
}

TEST(AddressTest, KnowsANameFromOtherText) {
  EXPECT_TRUE(valid_name("public"));
  EXPECT_TRUE(valid_name("a.B-9_" + std::string(58, 'x')));
  for (const std::string& text : {std::string(), std::string(65, 'x'), std::string("a b"),
                                  std::string("a=b"), std::string("\xc3\xa4")}) {
    EXPECT_FALSE(valid_name(text)) << text;
    EXPECT_FALSE(valid_version(text)) << text;
  }
}

TEST(AddressTest, AVersionMayBeOfAPackageOrHaveBuildMetadata) {
  for (const char* version : {"1.2+dfsg~rc1", "28~1-g8bd83a1", "1.0.0-rc.1+build.5"}) {
    EXPECT_TRUE(valid_version(version)) << version;
    EXPECT_FALSE(valid_name(version)) << version;
  }
  EXPECT_FALSE(valid_version("1/2"));
  EXPECT_FALSE(valid_version("1:2.3"));
}

}  // namespace
}  // namespace handoff::core
