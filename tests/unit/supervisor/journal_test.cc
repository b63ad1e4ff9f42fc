// The history's file: records in order, power failures, full disks.
#include "supervisor/host/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "in_child.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using nlohmann::json;
using test::in_child;
using test::read_file;

class JournalTest : public testing::Test {
 protected:
  static std::vector<json> records(const std::string& path) {
    std::vector<json> out;
    const auto read = read_journal(path, [&out](const json& record) { out.push_back(record); });
    EXPECT_TRUE(read) << read.error().message;
    return out;
  }
  test::TempDir scratch_;
  std::string state_ = scratch_ / "state";
  std::string path_ = journal_path(state_);
};

TEST_F(JournalTest, OthersMayPassTheFolderAndReadNothingInIt) {
  ASSERT_TRUE(Journal(scratch_ / "a/b/state").open());
  struct stat info {};
  ASSERT_EQ(::stat((scratch_ / "a/b/state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0711U);
  ASSERT_EQ(::stat(journal_path(scratch_ / "a/b/state").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(JournalTest, KeepsRecordsInOrderEachWithItsTimeAcrossItsOwnLives) {
  for (int i = 0; i < 3; ++i) {
    Journal journal(state_);
    const auto opened = journal.open();
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE(journal.append({{"event", "requested"}, {"number", i}}));
  }
  const auto all = records(path_);
  ASSERT_EQ(all.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i].at("number"), i);
    const std::string at = all[i].at("at");
    ASSERT_EQ(at.size(), std::string("2025-01-31T12:00:00Z").size()) << at;
    EXPECT_EQ(at[10], 'T');
    EXPECT_EQ(at.back(), 'Z');
  }
}

TEST_F(JournalTest, OfALongOneOnlyTheEndIsReadAtAStart) {
  Journal journal(state_);
  std::vector<json> records;
  const std::string text(1024, 'x');
  for (int i = 0; i < 5000; ++i) records.push_back({{"number", i}, {"text", text}});
  for (const auto& appended : journal.append_all(records)) ASSERT_TRUE(appended);
  std::vector<int> read;
  ASSERT_TRUE(journal.read_recent(
      [&read](const json& record) { read.push_back(record.at("number").get<int>()); }));
  ASSERT_FALSE(read.empty());
  EXPECT_EQ(read.back(), 4999);
  EXPECT_EQ(read.front(), 5000 - static_cast<int>(read.size())) << "whole records, without a gap";
  EXPECT_LT(read.size(), 5000U);
  EXPECT_GT(read.size() * 1100, Journal::kRecent * 9 / 10);
}

TEST_F(JournalTest, IsReadByItsHolderToo) {
  Journal journal(state_);
  ASSERT_TRUE(journal.open());
  ASSERT_TRUE(journal.append({{"event", "x"}}));
  int count = 0;
  EXPECT_TRUE(journal.read_recent([&count](const json&) { ++count; }));
  EXPECT_EQ(count, 1);
}

TEST_F(JournalTest, NoFileIsNoRecords) { EXPECT_TRUE(records(scratch_ / "nothing").empty()); }

TEST_F(JournalTest, HalfALineIsSkippedAndTheNextRecordIsOnALineOfItsOwn) {
  ASSERT_TRUE(Journal(state_).append({{"number", 1}}));
  std::ofstream(path_, std::ios::app) << R"({"event":"upgr)";  // then the power fails
  EXPECT_EQ(records(path_).size(), 1U);
  ASSERT_TRUE(Journal(state_).append({{"number", 2}}));
  const auto all = records(path_);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].at("number"), 2);
  ASSERT_TRUE(Journal(state_).append({{"number", 3}}));
  EXPECT_EQ(records(path_).size(), 3U);
}

TEST_F(JournalTest, LinesThatAreNoRecordsAreSkipped) {
  ASSERT_TRUE(Journal(state_).append({{"number", 1}}));
  std::ofstream(path_, std::ios::app) << "\n[1]\n42\nnull\n\xff\xfe\n{\"a\":}\n";
  ASSERT_TRUE(Journal(state_).append({{"number", 2}}));
  EXPECT_EQ(records(path_).size(), 2U);
}

TEST_F(JournalTest, WordsThatAreNoUtf8DoNotStopARecord) {
  ASSERT_TRUE(Journal(state_).append({{"event", "upgrade"}, {"why", "\xff\xfe"}}));
  EXPECT_EQ(records(path_).size(), 1U);
}

// On a full disk the kernel takes only a part of the line.
TEST_F(JournalTest, AShortWriteLeavesNothing) {
  Journal journal(state_);
  ASSERT_TRUE(journal.open());
  ASSERT_TRUE(journal.append({{"number", 1}}));
  const std::string before = read_file(path_);
  in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    for (const std::size_t room : {0U, 1U, 20U}) {
      const rlimit limit{before.size() + room, RLIM_INFINITY};
      ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
      const auto appended = journal.append({{"number", 2}, {"text", std::string(100, 'x')}});
      ASSERT_FALSE(appended);
      EXPECT_NE(appended.error().message.find(path_), std::string::npos);
      EXPECT_EQ(read_file(path_), before) << "with room for " << room << " bytes";
    }
  });
  ASSERT_TRUE(journal.append({{"number", 3}}));
  const auto all = records(path_);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].at("number"), 3);
}

// As logrotate does, and somebody who cleans up.
TEST_F(JournalTest, AFileThatWasMovedAwayOrRemovedIsMadeAnewBeforeTheNextRecord) {
  Journal journal(state_);
  ASSERT_TRUE(journal.append({{"number", 1}}));
  EXPECT_EQ(journal.take_note(), "");
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  ASSERT_TRUE(journal.append({{"number", 2}}));
  EXPECT_EQ(records(path_ + ".1").size(), 1U);
  auto all = records(path_);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].at("number"), 2);
  EXPECT_NE(journal.take_note().find(path_), std::string::npos);
  EXPECT_EQ(journal.take_note(), "") << "told once";
  // Another file lies there by now.
  ASSERT_EQ(::rename((path_ + ".1").c_str(), path_.c_str()), 0);
  ASSERT_TRUE(journal.append({{"number", 3}}));
  EXPECT_EQ(records(path_).size(), 2U);
  std::filesystem::remove_all(state_);
  ASSERT_TRUE(journal.append({{"number", 4}}));
  EXPECT_EQ(records(path_).size(), 1U);
}

TEST_F(JournalTest, AFolderThatIsMadeAnewHasTheModeThatItHad) {
  ASSERT_EQ(::mkdir(state_.c_str(), 0700), 0);
  Journal journal(state_);
  ASSERT_TRUE(journal.append({{"number", 1}}));
  std::filesystem::remove_all(state_);
  ASSERT_TRUE(journal.append({{"number", 2}}));
  struct stat info {};
  ASSERT_EQ(::stat(state_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST_F(JournalTest, ALinkThatSomebodyPutsInItsPlaceIsNotFollowed) {
  Journal journal(state_);
  ASSERT_TRUE(journal.append({{"number", 1}}));
  ASSERT_EQ(::rename(path_.c_str(), (path_ + ".1").c_str()), 0);
  ASSERT_EQ(::symlink((path_ + ".1").c_str(), path_.c_str()), 0);
  const auto appended = journal.append({{"number", 2}});
  ASSERT_FALSE(appended);
  EXPECT_TRUE(Journal::is_not_ours(appended.error()));
  EXPECT_NE(appended.error().message.find("symbolic link"), std::string::npos);
  EXPECT_EQ(records(path_ + ".1").size(), 1U);
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_TRUE(journal.append({{"number", 3}}));
  EXPECT_EQ(records(path_).size(), 1U);
}

TEST_F(JournalTest, WhatIsNoFileOfItsOwnIsRefused) {
  ASSERT_EQ(::mkdir(state_.c_str(), 0700), 0);
  const std::string victim = scratch_ / "victim";
  std::ofstream(victim) << "precious";
  ASSERT_EQ(::symlink(victim.c_str(), path_.c_str()), 0);
  EXPECT_FALSE(Journal(state_).open());
  EXPECT_EQ(read_file(victim), "precious");
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const auto fifo = Journal(state_).open();
  ASSERT_FALSE(fifo);
  EXPECT_NE(fifo.error().message.find("HANDOFF_STATE_DIR"), std::string::npos);
  const auto read = read_journal(path_, [](const json&) {});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "reading the history " + path_ +
                                      ": it is a FIFO: put a regular "
                                      "file there");
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  EXPECT_FALSE(Journal(state_).open());
}

TEST(StatePathTest, IsWhereTheEnvironmentSays) {
  in_child([] {
    for (const char* name : {"HANDOFF_STATE_DIR", "HANDOFF_RUNTIME_DIR", "STATE_DIRECTORY"}) {
      ::unsetenv(name);
    }
    ::setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
    EXPECT_EQ(*state_path(), "/var/lib/a");
    ::setenv("HANDOFF_RUNTIME_DIR", "/run/mine", 1);
    EXPECT_EQ(*state_path(), "/run/mine");
    ::setenv("HANDOFF_STATE_DIR", "/srv/state", 1);
    EXPECT_EQ(*state_path(), "/srv/state");
  });
}

}  // namespace
}  // namespace handoff::supervisor
