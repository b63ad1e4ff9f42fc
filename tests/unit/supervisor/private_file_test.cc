// Files of the supervisor's own: whole at any time, and believed only where they are its user's.
#include "supervisor/host/private_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libhandoff/base/unique_fd.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

class PrivateFileTest : public testing::Test {
 protected:
  std::string path() const { return dir_ / "file"; }

  test::TempDir dir_;
  UniqueFd folder_{::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
};

TEST_F(PrivateFileTest, IsReadAsItWasWritten) {
  EXPECT_EQ(*read_private(folder_.get(), "file"), std::nullopt);
  for (const Outlives outlives : {Outlives::kProcess, Outlives::kHost}) {
    const std::string text(100'000, outlives == Outlives::kHost ? 'h' : 'p');
    ASSERT_TRUE(replace_private(folder_.get(), "file", text, outlives));
    EXPECT_EQ(*read_private(folder_.get(), "file"), text);
  }
  struct stat info {};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(PrivateFileTest, ALinkInItsPlaceIsReplacedAndNotFollowed) {
  const std::string other = dir_ / "other";
  test::write_file(other, "theirs", 0600);
  for (const char* name : {"file", "file.new"}) {
    ASSERT_EQ(::symlink(other.c_str(), (dir_ / name).c_str()), 0);
  }
  EXPECT_EQ(read_private(folder_.get(), "file").error().code, -ELOOP);
  ASSERT_TRUE(replace_private(folder_.get(), "file", "ours", Outlives::kHost));
  EXPECT_EQ(*read_private(folder_.get(), "file"), "ours");
  EXPECT_EQ(test::read_file(other), "theirs");
}

TEST_F(PrivateFileTest, WhatOthersCouldHaveWrittenIsNotRead) {
  test::write_file(path(), "anybody's", 0600);
  ASSERT_EQ(::chmod(path().c_str(), 0620), 0);
  const auto read = read_private(folder_.get(), "file");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, -EPERM);
  EXPECT_NE(read.error().message.find(path()), std::string::npos) << read.error().message;
}

TEST_F(PrivateFileTest, AFailureLeavesWhatWasThere) {
  ASSERT_TRUE(replace_private(folder_.get(), "file", "before", Outlives::kHost));
  ASSERT_EQ(::mkdir((dir_ / "file.new").c_str(), 0700), 0);
  const auto replaced = replace_private(folder_.get(), "file", "after", Outlives::kHost);
  ASSERT_FALSE(replaced);
  EXPECT_NE(replaced.error().message.find(path()), std::string::npos) << replaced.error().message;
  EXPECT_EQ(*read_private(folder_.get(), "file"), "before");
}

}  // namespace
}  // namespace handoff::supervisor
