#include "names.h"

#include <gtest/gtest.h>

namespace chat {
namespace {

TEST(NamesTest, WhatIsShownHasNoControlCharacters) {
  EXPECT_EQ(printable("a\tb\x1b[2Jc\r\x7f"), "a b[2Jc");
  EXPECT_EQ(printable("a\xc2\x9b"
                      "2Jb\xc2\x80\xc2\xa0"),
            "a2Jb\xc2\xa0");
}

TEST(NamesTest, WhatIsShownIsUtf8) {
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f Gott \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f Gott \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(printable("gr\xfc\xdf"), "gr??");          // Latin-1
  EXPECT_EQ(printable("\xe2\x82"), "??");              // cut
  EXPECT_EQ(printable("\xc0\xaf"), "??");              // an overlong '/'
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");         // half of a surrogate pair
  EXPECT_EQ(printable("\xf4\x90\x80\x80x"), "????x");  // beyond Unicode
}

}  // namespace
}  // namespace chat
