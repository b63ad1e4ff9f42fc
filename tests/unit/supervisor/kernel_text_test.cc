#include "supervisor/host/kernel_text.h"

#include <gtest/gtest.h>

#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

class KernelTextTest : public testing::Test {
 protected:
  KernelText read(const std::string& text) {
    test::write_file(file, text);
    return KernelText(file);
  }

  test::TempDir dir;
  const std::filesystem::path file = std::filesystem::path(dir.path()) / "file";
};

TEST_F(KernelTextTest, FirstIsTheFirstWordIfThatIsANumber) {
  EXPECT_EQ(read("12\n").first(), 12U);
  EXPECT_EQ(read("12").first(), 12U);
  EXPECT_EQ(read("  12 13\n").first(), 12U);
  EXPECT_EQ(read("18446744073709551615\n").first(), 18446744073709551615U);
  EXPECT_EQ(read("18446744073709551616\n").first(), std::nullopt);
  EXPECT_EQ(read("max\n").first(), std::nullopt);
  EXPECT_EQ(read("12k\n").first(), std::nullopt);
  EXPECT_EQ(read("-1\n").first(), std::nullopt);
  EXPECT_EQ(read("").first(), std::nullopt);
  EXPECT_EQ(read("\n\n").first(), std::nullopt);
}

TEST_F(KernelTextTest, AKeyIsAWholeWordAtTheBeginningOfALine) {
  const KernelText text = read("oom 1\noom_kill 2\n\nMemFree:    3 kB\nmax huge\nlast\t4");
  EXPECT_EQ(text.of("oom"), 1U);
  EXPECT_EQ(text.of("oom_kill"), 2U);
  EXPECT_EQ(text.of("MemFree"), 3U);
  EXPECT_EQ(text.of("last"), 4U);
  EXPECT_EQ(text.of("max"), std::nullopt);
  EXPECT_EQ(text.of("oom_"), std::nullopt);
  EXPECT_EQ(text.of("kB"), std::nullopt);
  EXPECT_EQ(text.of("huge"), std::nullopt);
}

TEST_F(KernelTextTest, AFileOfManyPagesIsReadWhole) {
  std::string lines;
  for (int i = 0; i < 5000; ++i)
    lines += "key" + std::to_string(i) + " " + std::to_string(i) + "\n";
  EXPECT_EQ(read(lines).of("key4999"), 4999U);
}

TEST_F(KernelTextTest, OfNoFileNothingIsKnown) {
  const KernelText text(file);
  EXPECT_EQ(text.text(), "");
  EXPECT_EQ(text.first(), std::nullopt);
  EXPECT_EQ(text.of("oom"), std::nullopt);
  EXPECT_EQ(KernelText(dir.path()).first(), std::nullopt) << "a folder";
}

}  // namespace
}  // namespace handoff::supervisor
