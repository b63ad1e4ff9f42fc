// NAME=ADDRESS, as an operator writes a listener.
#include "supervisor/config/address.h"

#include <gtest/gtest.h>

namespace handoff::supervisor {
namespace {

TEST(NamedAddressTest, HasANameAndAnAddress) {
  const auto named = parse_named_address("public=unix:/run/a=b.sock");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->name, "public");
  EXPECT_EQ(named->address.host, "/run/a=b.sock");
  EXPECT_FALSE(parse_named_address("tcp:127.0.0.1:80"));
  EXPECT_FALSE(parse_named_address("=tcp:127.0.0.1:80"));
  EXPECT_FALSE(parse_named_address("a b=tcp:127.0.0.1:80"));
  EXPECT_FALSE(parse_named_address("public=tcp:nowhere:80"));
}

}  // namespace
}  // namespace handoff::supervisor
