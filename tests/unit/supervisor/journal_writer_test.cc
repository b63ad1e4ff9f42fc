// The history's writer: what there is no room for waits, in its order, until there is.
#include "supervisor/host/journal_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <uv.h>

#include <algorithm>
#include <filesystem>

#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

class JournalWriterTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(uv_loop_init(&loop_), 0); }
  void TearDown() override {
    writer_.reset();
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }
  JournalWriter& writer() {
    if (!writer_)
      writer_ =
          std::make_unique<JournalWriter>(&loop_, Journal(state_), std::chrono::milliseconds(20));
    return *writer_;
  }
  void append(int number) {
    writer().append({{"number", number}}, [this, number](const Result<void>& result) {
      (result ? written_ : given_up_).push_back(number);
    });
    writer().flush();
  }
  // A folder in its place can't be written to, whoever runs this.
  void block() {
    fs::create_directories(state_);
    ASSERT_EQ(::mkdir(journal_path(state_).c_str(), 0700), 0);
  }
  void unblock() { fs::remove(journal_path(state_)); }
  std::vector<int> on_disk() {
    std::vector<int> out;
    (void)read_history(state_, [&out](const json& one) {
      out.push_back(one.value("number", one.value("records", 0)));
    });
    return out;
  }

  test::TempDir scratch_;
  std::string state_ = scratch_ / "state";
  uv_loop_t loop_{};
  std::unique_ptr<JournalWriter> writer_;
  std::vector<int> written_, given_up_;
};

TEST_F(JournalWriterTest, WhatCanNotBeWrittenIsKeptInItsOrderUntilItCan) {
  block();
  append(1);
  append(2);
  EXPECT_TRUE(written_.empty());
  EXPECT_NE(writer().problem().find(journal_path(state_)), std::string::npos);
  ASSERT_EQ(writer().waiting().size(), 2U);
  EXPECT_EQ(writer().waiting()[0].at("number"), 1);
  EXPECT_TRUE(writer().waiting()[0].contains("at")) << "when it happened";
  unblock();
  append(3);
  EXPECT_EQ(written_, (std::vector{1, 2, 3}));
  EXPECT_EQ(on_disk(), (std::vector{1, 2, 3}));
  EXPECT_EQ(writer().problem(), "");
  EXPECT_TRUE(writer().waiting().empty());
}

TEST_F(JournalWriterTest, WhatIsTriedOnceIsNotKept) {
  block();
  EXPECT_FALSE(writer().try_append_now({{"number", 1}}));
  EXPECT_TRUE(writer().waiting().empty());
  unblock();
  append(2);
  EXPECT_EQ(on_disk(), std::vector{2});
}

TEST_F(JournalWriterTest, WhatIsAppendedByOneThatIsToldComesAfterThoseThatWait) {
  block();
  append(1);
  writer().try_append({{"number", 0}}, [this](const Result<void>& result) {
    EXPECT_FALSE(result);
    append(2);
  });
  writer().flush();
  unblock();
  append(3);
  EXPECT_EQ(on_disk(), (std::vector{1, 2, 3}));
}

TEST_F(JournalWriterTest, TheClockTriesAgain) {
  block();
  append(1);
  unblock();
  while (written_.empty()) uv_run(&loop_, UV_RUN_ONCE);
  EXPECT_EQ(on_disk(), std::vector{1});
}

TEST_F(JournalWriterTest, OfTooManyTheOldestAreGivenUpAndTheHistorySaysSo) {
  block();
  const int all = static_cast<int>(JournalWriter::kMostWaiting) + 4;
  for (int i = 1; i <= all; ++i) {
    writer().append({{"number", i}}, [this, i](const Result<void>& result) {
      if (!result) given_up_.push_back(i);
    });
  }
  writer().flush();
  std::ranges::sort(given_up_);
  EXPECT_EQ(given_up_, (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(writer().waiting().size(), JournalWriter::kMostWaiting);
  unblock();
  append(all + 1);
  const auto there = on_disk();
  ASSERT_EQ(there.size(), JournalWriter::kMostWaiting + 1);
  EXPECT_EQ(there[0], 5) << "so many are missing: with the one that made room for the last";
  EXPECT_EQ(there[1], 6);
  EXPECT_EQ(there.back(), all + 1);
}

}  // namespace
}  // namespace handoff::supervisor
