// The others who may write to a file, or to a folder above it.
#include "supervisor/base/write_access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "supervisor/run/access_notes.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class WriteAccessTest : public testing::Test {
 protected:
  WriteAccessTest() {
    fs::create_directories(scratch_ / "a/b");
    test::write_file(file_, "text");
    set("a", 0755);
    set("a/b", 0755);
    set("a/b/file", 0644);
  }
  void set(const std::string& name, mode_t mode) const {
    ASSERT_EQ(::chmod((scratch_ / name).c_str(), mode), 0);
  }
  std::string notes() const {
    std::string out;
    for (const std::string& note : write_access(file_)) out += note + "\n";
    return out;
  }
  std::string at(const std::string& name) const { return scratch_ / name; }

  test::TempDir scratch_;
  const std::string file_ = scratch_ / "a/b/file";
};

TEST_F(WriteAccessTest, WhatOnlyTheUserMayWriteToIsNotTold) { EXPECT_EQ(notes(), ""); }

TEST_F(WriteAccessTest, AFileThatOthersMayChange) {
  set("a/b/file", 0666);
  EXPECT_EQ(notes(), file_ + " may be written to by everybody: they can change it\n");
}

TEST_F(WriteAccessTest, AFolderAboveInWhichTheyMayReplaceIt) {
  set("a", 0777);
  EXPECT_EQ(notes(),
            at("a") + " may be written to by everybody: they can replace what lies in it\n");
  set("a", 01777);
  EXPECT_EQ(notes(), "") << "nobody replaces there what is not theirs";
}

TEST_F(WriteAccessTest, TheOwnerAndTheGroup) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can give a file away";
  ASSERT_EQ(::chown(at("a/b").c_str(), 65534, 12345), 0);
  set("a/b", 0775);
  EXPECT_EQ(notes(), at("a/b") +
                         " may be written to by uid 65534, its owner and group 12345: they can "
                         "replace what lies in it\n");
  set("a/b", 01775);
  EXPECT_NE(notes(), "") << "the owner of such a folder may replace all in it";
}

TEST_F(WriteAccessTest, ALinkCountsWhereItLeads) {
  fs::create_directory(at("open"));
  set("open", 0777);
  test::write_file(at("open/file"), "text");
  fs::create_symlink(at("open/file"), at("link"));
  ASSERT_EQ(write_access(at("link")).size(), 1U);
  EXPECT_NE(write_access(at("link"))[0].find(at("open")), std::string::npos);
}

TEST_F(WriteAccessTest, EachIsToldOnceWithWhatItIsOf) {
  set("a", 0777);
  Config config;
  config.services.push_back({.name = "chat", .command = {"/bin/sh"}, .releases_dir = at("a/r")});
  const auto told = access_notes(config, file_, at("a/state"));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].why.find("the configuration is " + file_), std::string::npos) << told[0].why;
}

}  // namespace
}  // namespace handoff::supervisor
