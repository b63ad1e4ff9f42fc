// The history's rotation, and the reading of all its files: no record is lost, whenever the one who
// rotates dies, and whatever lies there.
#include "supervisor/host/journal_rotation.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "in_child.h"
#include "supervisor/host/journal.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class JournalRotationTest : public testing::Test {
 protected:
  // Each record is a file's worth.
  static constexpr JournalLimits kEach{.size = 1, .keep = 3};
  static json record(int number) { return {{"number", number}}; }

  void append(int from, int to, JournalLimits limits = kEach) const {
    Journal journal(state_, limits);
    for (int i = from; i <= to; ++i) {
      const auto appended = journal.append(record(i));
      ASSERT_TRUE(appended) << appended.error().message;
    }
  }
  std::vector<int> numbers(std::vector<std::string>* problems = nullptr) const {
    std::vector<int> out;
    const JournalRead read = read_history(state_, [&out](const json& one) {
      if (one.contains("number")) out.push_back(one.at("number"));
    });
    if (problems != nullptr) *problems = read.problems;
    return out;
  }
  std::string rotated(int number) const {
    return state_ + "/history." + std::to_string(number) + ".jsonl";
  }

  test::TempDir scratch_;
  std::string state_ = scratch_ / "state";
};

TEST_F(JournalRotationTest, OfManyFilesTheLastStayAndAreReadInOrder) {
  append(1, 4);
  EXPECT_EQ(numbers(), (std::vector{1, 2, 3, 4}));
  append(5, 9);
  EXPECT_EQ(numbers(), (std::vector{6, 7, 8, 9}));
  EXPECT_FALSE(fs::exists(rotated(4)));
  append(10, 10, {.size = 1'000'000, .keep = 3});
  EXPECT_EQ(numbers(), (std::vector{6, 7, 8, 9, 10})) << "there is room in the last one";
  append(11, 11, {.size = 1, .keep = 1});
  EXPECT_EQ(numbers(), (std::vector{9, 10, 11})) << "fewer are kept from now on";
}

// Steps of a rotation, and what would be lost at each.
TEST_F(JournalRotationTest, OneThatIsKilledAtAnyStepHasLostNothing) {
  for (int steps = 0; steps <= 4; ++steps) {
    for (const int before : {1, 2, 3, 4}) {
      fs::remove_all(state_);
      append(1, before);
      const std::vector<int> expected = numbers();
      test::in_child([&] {
        int left = steps;
        (void)rotate_journal(state_, 3, [&left] {
          if (left-- == 0) ::_exit(0);  // as SIGKILL would
        });
      });
      EXPECT_EQ(numbers(), expected) << before << " files, killed before step " << steps;
      append(100, 100);
      std::vector<int> after = numbers();
      ASSERT_FALSE(after.empty());
      EXPECT_EQ(after.back(), 100);
      after.pop_back();
      EXPECT_TRUE(std::ranges::equal(after, expected) ||
                  std::ranges::equal(after, std::vector(expected.begin() + 1, expected.end())))
          << before << " files, killed before step " << steps;
    }
  }
}

TEST_F(JournalRotationTest, ALaterRotationFillsTheNameThatIsFree) {
  append(1, 4);
  ASSERT_EQ(::rename(rotated(1).c_str(), (rotated(1) + ".gone").c_str()), 0);
  append(5, 5);
  EXPECT_EQ(numbers(), (std::vector{1, 2, 4, 5})) << "nothing is removed as long as a name is free";
}

TEST_F(JournalRotationTest, WhatIsNotItsOwnIsNeitherReplacedNorFollowedAndItGrowsOn) {
  append(1, 2);
  const std::string victim = scratch_ / "victim";
  test::write_file(victim, "precious");
  fs::remove(rotated(1));
  ASSERT_EQ(::symlink(victim.c_str(), rotated(1).c_str()), 0);
  Journal journal(state_, kEach);
  ASSERT_TRUE(journal.append(record(3)));
  EXPECT_NE(journal.take_note().find(rotated(1)), std::string::npos);
  EXPECT_EQ(test::read_file(victim), "precious");
  EXPECT_EQ(test::read_file(journal_path(state_)).find("precious"), std::string::npos);
  ASSERT_TRUE(journal.append(record(5)));
  EXPECT_EQ(journal.take_note(), "") << "told once";
  EXPECT_TRUE(fs::is_symlink(rotated(1)));
}

TEST_F(JournalRotationTest, TheLastRecordsAreFoundAcrossARotation) {
  append(1, 4);
  std::vector<int> found;
  ASSERT_TRUE(Journal(state_).read_recent(
      [&found](const json& one) { found.push_back(one.at("number").get<int>()); }));
  EXPECT_EQ(found, (std::vector{1, 2, 3, 4}));
}

TEST_F(JournalRotationTest, LogrotatesFilesAreNotTouched) {
  append(1, 2);
  test::write_file(journal_path(state_) + ".1", "logrotate's");
  append(3, 9);
  EXPECT_EQ(test::read_file(journal_path(state_) + ".1"), "logrotate's");
}

// ---- reading

TEST_F(JournalRotationTest, AFifoAmongThemIsToldAndNotWaitedFor) {
  append(1, 3);
  fs::remove(rotated(1));
  ASSERT_EQ(::mkfifo(rotated(1).c_str(), 0600), 0);
  std::vector<std::string> problems;
  EXPECT_EQ(numbers(&problems), (std::vector{1, 3}));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_NE(problems.front().find("it is a FIFO"), std::string::npos);
}

TEST_F(JournalRotationTest, WhatIsNoRecordIsPassedOverAndCounted) {
  append(1, 1);
  {
    std::ofstream file(journal_path(state_), std::ios::app);
    file << "\xff\xfe\n{\"text\":\"\xff\"}\n[1]\n{\"a\":" << std::string(500'000, '[')
         << std::string(500'000, ']') << "}\n{\"number\":2,\"text\":\"" << std::string(1000, '[')
         << "\"}\nhalf a line";
  }
  std::vector<int> out;
  const JournalRead read = read_history(state_, [&out](const json& one) {
    out.push_back(one.at("number"));
    EXPECT_FALSE(one.dump().empty());
  });
  EXPECT_EQ(out, (std::vector{1, 2}));
  EXPECT_EQ(read.skipped, 5U);
}

// A disk that is broken, or somebody: 100 MB without a newline, and then a record.
TEST_F(JournalRotationTest, ALineThatIsTooLongForARecordTakesNoMemory) {
  constexpr std::size_t kLine = 100'000'000;
  append(1, 1, {});
  {
    std::ofstream file(journal_path(state_), std::ios::app);
    const std::string part(1'000'000, 'x');
    file << "{\"text\":\"";
    for (std::size_t i = 0; i < kLine; i += part.size()) file << part;
    file << "\"}\n{\"number\":2}\n";
  }
  test::in_child([&] {
    struct rusage before {};
    ASSERT_EQ(::getrusage(RUSAGE_SELF, &before), 0);
    EXPECT_EQ(numbers(), (std::vector{1, 2}));
    struct rusage after {};
    ASSERT_EQ(::getrusage(RUSAGE_SELF, &after), 0);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 20'000) << "kB";
  });
}

TEST_F(JournalRotationTest, ManyRowsAreReadInNoTime) {
  constexpr int kRows = 26'000;
  ASSERT_TRUE(Journal(state_).open());
  {
    std::ofstream file(journal_path(state_), std::ios::app);
    for (int i = 0; i < kRows; ++i) {
      file << R"({"at":"2026-11-29T00:00:00Z","event":"upgrade","service":"chat","number":)" << i
           << R"(,"text":")" << std::string(500, 'x') << "\"}\n";
    }
  }
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(numbers().size(), static_cast<std::size_t>(kRows));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
}

}  // namespace
}  // namespace handoff::supervisor
