// Reasons as they are written: what people can read is kept, within the limit.
#include <gtest/gtest.h>

#include <string>

#include "handoff.pb.h"
#include "libhandoff/protocol/control_reports.h"

namespace handoff::protocol {
namespace {

TEST(ReasonsTest, KeepWhatPeopleCanRead) {
  const auto told = [](const std::string& text) {
    v1::Failed pb;
    EXPECT_TRUE(pb.ParseFromString(encode(Failed{1, {core::Code::kInternal, text}, 2})));
    return pb.reason();
  };
  const std::string korean = "\xed\x95\x9c\xea\xb5\xad";
  const std::string others = "r\xc3\xa4ume \xe0\xa4\xb9 \xe2\x82\xac \xf0\x9f\x8d\xb5";
  EXPECT_EQ(korean, told(korean));
  EXPECT_EQ(others, told(others));
  EXPECT_EQ("\xc3\xa4 ok\\xff", told("\xc3\xa4 ok\xff"));
  EXPECT_EQ("\\x1b[2J\\u009b\\u202e\\n", told("\x1b[2J\xc2\x9b\xe2\x80\xae\n"));
  std::string longer(kMaxReason - 2, 'x');
  EXPECT_EQ(longer, told(longer + korean)) << "half a character";
}

}  // namespace
}  // namespace handoff::protocol
