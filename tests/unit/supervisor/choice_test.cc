// What was chosen comes back from its file as it was, or not at all.
#include "supervisor/host/choice.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

Time at(Duration since) { return Time(since); }

SavedService everything() {
  SavedService out;
  out.name = "chat";
  out.command = {"chat", "--verbose"};
  out.release = {.path = "/opt/chat",
                 .args = {"--x", ""},
                 .digest = "d",
                 .name = "2.0",
                 .source = "/opt/chat.tar",
                 .folder = "/f",
                 .tree = "t",
                 .verified = "key",
                 .program_digest = "p",
                 .files = {{"/opt/lib", "l"}}};
  out.back = out.release;
  out.back->name = "1.0";
  out.machine.probation = {.provisional = true,
                           .until = at(50s),
                           .has_back = true,
                           .back_proven = true,
                           .one_way = true};
  out.machine.rest = Rest::kStopped;
  return out;
}

TEST(ChoiceFileTest, ComesBackAsItWasWithTheTimeThatWasLeft) {
  const SavedService before = everything();
  const auto after = parse_choice(choice_text(before, at(20s)), "choice.json", at(1000s));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_TRUE(after->cold);
  EXPECT_EQ(after->machine.probation.until, at(1030s));
  SavedService same = *after;
  same.machine.probation.until = at(50s);
  EXPECT_EQ(choice_text(same, at(20s)), choice_text(before, at(20s)));
  EXPECT_EQ(after->machine.rest, Rest::kStopped);
  EXPECT_TRUE(after->machine.probation.one_way);
  EXPECT_EQ(after->release.files.at(0).digest, "l");
  EXPECT_EQ(after->back->name, "1.0");
}

TEST(ChoiceFileTest, ATimeThatIsOverLeavesNothing) {
  const auto after = parse_choice(choice_text(everything(), at(60s)), "choice.json", at(1000s));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->machine.probation.until, at(1000s));
}

TEST(ChoiceFileTest, ATimeThatNoProbationTakesIsRefused) {
  for (const json& left : {json(1e64), json(-1), json(INT64_MAX), json(1.5)}) {
    json file = json::parse(choice_text(everything(), at(20s)));
    file["probation"]["left_ns"] = left;
    EXPECT_FALSE(parse_choice(file.dump(), "choice.json", at(1000s))) << left;
  }
}

TEST(ChoiceFileTest, EveryMemberHasToBeThereAndOfItsType) {
  const json whole = json::parse(choice_text(everything(), at(0s)));
  for (const auto& [key, value] : whole.items()) {
    json without = whole;
    without.erase(key);
    json with = whole;
    with[key] = json::array({json::array()});
    for (const json& wrong : {without, with}) {
      const auto parsed = parse_choice(wrong.dump(), "/s/choice.json", at(0s));
      ASSERT_FALSE(parsed) << key;
      EXPECT_NE(parsed.error().message.find("/s/choice.json"), std::string::npos);
    }
  }
}

TEST(ChoiceFileTest, IsReadOnlyFromAFileOfThisUsersAlone) {
  const test::TempDir scratch;
  const std::string file = scratch / "choice.json";
  EXPECT_FALSE(read_choice(scratch.path(), at(0s)).value().has_value());
  ASSERT_TRUE(write_choice(scratch.path(), choice_text(everything(), at(0s))));
  ASSERT_TRUE(read_choice(scratch.path(), at(0s)));
  EXPECT_EQ(read_choice(scratch.path(), at(0s)).value()->name, "chat");
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  EXPECT_FALSE(read_choice(scratch.path(), at(0s)));
  std::filesystem::rename(file, scratch / "elsewhere");
  std::filesystem::create_symlink(scratch / "elsewhere", file);
  EXPECT_FALSE(read_choice(scratch.path(), at(0s)));
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_FALSE(read_choice(scratch.path(), at(0s))) << "and waits for nobody";
  EXPECT_FALSE(write_choice(scratch / "nowhere", "text"));
}

}  // namespace
}  // namespace handoff::supervisor
