// The harness's files: its folder goes, errors show, and a wait for a file ends.
#include "support/process/files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

TEST(FilesTest, AFolderGoesWithAllThatIsInIt) {
  std::string path;
  {
    const TempDir dir;
    path = dir.path();
    write_file(dir / "a", "text", 0600);
    EXPECT_EQ(read_file(dir / "a"), "text");
    EXPECT_EQ(std::filesystem::status(dir / "a").permissions(), std::filesystem::perms(0600));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(FilesTest, AFileThatCanNotBeWrittenIsAnError) {
  EXPECT_THROW(write_file("/nowhere/file", "text"), std::system_error);
  EXPECT_EQ(read_file("/nowhere/file"), "");
}

TEST(FilesTest, WhatCanBeOpenedAndNotReadIsEmpty) {
  const TempDir dir;
  EXPECT_EQ(read_file(dir.path()), "");
}

TEST(FilesTest, AFileIsWaitedFor) {
  const TempDir dir;
  EXPECT_FALSE(wait_for_file(dir / "a", Deadline::in(10ms)));
  std::thread maker([&] {
    write_file(dir / "other", "");
    write_file(dir / "new", "");
    std::filesystem::rename(dir / "new", dir / "a");
  });
  EXPECT_TRUE(wait_for_file(dir / "a"));
  maker.join();
  EXPECT_TRUE(wait_for_file(dir / "a")) << "it is there already";
}

}  // namespace
}  // namespace handoff::test
