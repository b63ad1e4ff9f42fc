// The folder of releases. Files in it that handoff did not make are never removed, replaced or
// touched.
#include "supervisor/releases/releases_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "in_child.h"
#include "supervisor/core/bundle_path.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class ReleasesDirTest : public testing::Test {
 protected:
  using Names = std::vector<std::string>;

  ReleasesDirTest() { fs::create_directory(releases); }

  // Adds a release that has taken over, and that nobody holds any more.
  Result<ReleaseFolderPtr> add(const std::string& name, const std::string& text = "text") {
    auto dir = ReleasesDir::open(releases);
    EXPECT_TRUE(dir) << dir.error().message;
    auto added = dir->add([&](int folder) -> Result<std::string> {
      const UniqueFd file(::openat(folder, "file", O_WRONLY | O_CREAT | O_EXCL, 0644));
      EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
      return name;
    });
    if (added) (*added)->keep();
    return added;
  }
  // Adds more releases than are kept, each younger than all before it.
  void add_many(std::size_t count = ReleasesDir::kKeep + 3) {
    for (std::size_t i = 1; i <= count; ++i) {
      ASSERT_TRUE(add("chat-" + std::to_string(i)));
      age(releases / fs::path("chat-" + std::to_string(i)), std::chrono::hours(count - i));
      prune();
    }
  }
  void prune() { ReleasesDir::open(releases)->prune(); }
  static void age(const fs::path& path, std::chrono::hours by) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - by);
  }
  void make_old_folder(const std::string& name) {
    fs::create_directories(releases + "/" + name);
    std::ofstream(releases + "/" + name + "/precious") << name;
    age(releases + "/" + name, std::chrono::hours(10000));
  }
  Names names() const {
    Names out;
    for (const auto& entry : fs::directory_iterator(releases)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  const Names kept = {"chat-4", "chat-5", "chat-6", "chat-7", "chat-8"};
  Names kept_and(const Names& others) const {
    Names out = kept;
    out.insert(out.end(), others.begin(), others.end());
    std::sort(out.begin(), out.end());
    return out;
  }

  test::TempDir scratch;
  std::string releases = scratch / "releases";
};

TEST_F(ReleasesDirTest, FoldersThatHandoffDidNotMakeStay) {
  const Names others = {"backups", "chat-0.9", "config", "postgres-data", "www", "zzz"};
  for (const std::string& name : others) make_old_folder(name);
  add_many();
  EXPECT_EQ(names(), kept_and(others));
  for (const std::string& name : others) {
    EXPECT_EQ(test::read_file(releases + "/" + name + "/precious"), name);
  }
}

TEST_F(ReleasesDirTest, TheyDoNotCountAmongTheLastFive) {
  add_many();
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
    fs::create_directory(releases + "/" + name);  // younger than any release
  }
  prune();
  EXPECT_EQ(names(), kept_and({"a", "b", "c", "d", "e", "f"}));
}

TEST_F(ReleasesDirTest, ACopyOfAReleaseIsNotHandoffs) {
  ASSERT_TRUE(add("chat-1"));
  fs::copy(releases + "/chat-1", releases + "/chat-1.copy", fs::copy_options::recursive);
  age(releases + "/chat-1.copy", std::chrono::hours(10000));
  add_many();
  EXPECT_EQ(names(), kept_and({"chat-1.copy"}));
}

TEST_F(ReleasesDirTest, AReleaseThatWasRenamedToKeepItIsKept) {
  ASSERT_TRUE(add("chat-0"));
  fs::rename(releases + "/chat-0", releases + "/the-good-one");
  age(releases + "/the-good-one", std::chrono::hours(10000));
  add_many();
  EXPECT_EQ(names(), kept_and({"the-good-one"}));
}

TEST_F(ReleasesDirTest, ALinkToAReleaseIsNotFollowed) {
  ASSERT_TRUE(add("chat-0"));
  fs::rename(releases + "/chat-0", scratch / "chat-0");
  fs::create_directory_symlink(scratch / "chat-0", releases + "/chat-0");
  add_many();
  EXPECT_EQ(names(), kept_and({"chat-0"}));
  EXPECT_EQ(test::read_file(scratch / "chat-0/file"), "text");
}

TEST_F(ReleasesDirTest, AMarkerThatIsALinkIsNone) {
  ASSERT_TRUE(add("chat-0"));
  const std::string marker = releases + "/chat-0/" + kReleaseMarker;
  fs::rename(marker, scratch / "marker");
  fs::create_symlink(scratch / "marker", marker);
  age(releases + "/chat-0", std::chrono::hours(10000));
  add_many();
  EXPECT_EQ(names(), kept_and({"chat-0"}));
}

TEST_F(ReleasesDirTest, AFolderOfTheSameNameIsNotReplaced) {
  make_old_folder("chat-2.0");
  const auto refused = add("chat-2.0");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("chat-2.0 is there already, and handoff did not make it"),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(names(), Names{"chat-2.0"}) << "and nothing is left of what was unpacked";
  EXPECT_EQ(test::read_file(releases + "/chat-2.0/precious"), "chat-2.0");
}

TEST_F(ReleasesDirTest, AFileOfTheSameNameIsNotReplaced) {
  std::ofstream(releases + "/chat-2.0") << "precious";
  ASSERT_FALSE(add("chat-2.0"));
  EXPECT_EQ(test::read_file(releases + "/chat-2.0"), "precious");
}

TEST_F(ReleasesDirTest, AnotherReleaseOfTheSameNameIsReplaced) {
  ASSERT_TRUE(add("chat-2.0", "first"));
  const auto second = add("chat-2.0", "second");
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(test::read_file(releases + "/chat-2.0/file"), "second");
}

TEST_F(ReleasesDirTest, TheMarkerIsNoPartOfTheRelease) {
  const auto first = add("chat-1");
  const auto second = add("chat-2");
  EXPECT_EQ((*first)->tree(), (*second)->tree());
}

TEST_F(ReleasesDirTest, WhatWasBeingUnpackedAtACrashIsRemovedAndNothingElseIs) {
  make_old_folder(".unpacking-of-the-users");
  test::in_child([this] {
    auto dir = ReleasesDir::open(releases);
    (void)dir->add([](int) -> Result<std::string> { ::_exit(0); });
  });
  ASSERT_EQ(names().size(), 2U);
  ASSERT_TRUE(ReleasesDir::open(releases));
  EXPECT_EQ(names(), Names{".unpacking-of-the-users"});
}

// The supervisor crashed after the marker was written, and before the folder got its name.
TEST_F(ReleasesDirTest, AReleaseThatWasAboutToGetItsNameIsRemovedToo) {
  ASSERT_TRUE(add("chat-1"));
  fs::rename(releases + "/chat-1", releases + "/.unpacking-AbCdEf");
  ASSERT_TRUE(ReleasesDir::open(releases));
  EXPECT_EQ(names(), Names{});
}

// A bind mount in a release's folder keeps it from being removed.
TEST_F(ReleasesDirTest, OneThatCanNotBeRemovedGoesWhenItCan) {
  ASSERT_EQ(::geteuid(), 0U) << "this test mounts: run it as root";
  ASSERT_TRUE(add("chat-0"));
  fs::create_directory(releases + "/chat-0/data");
  fs::create_directory(scratch / "data");
  std::ofstream(scratch / "data/precious") << "data";
  ASSERT_EQ(::mount((scratch / "data").c_str(), (releases + "/chat-0/data").c_str(), nullptr,
                    MS_BIND, nullptr),
            0);
  age(releases + "/chat-0", std::chrono::hours(10000));
  add_many();
  EXPECT_EQ(names(), kept_and({"chat-0"}));
  EXPECT_EQ(test::read_file(scratch / "data/precious"), "data");
  ASSERT_EQ(::umount((releases + "/chat-0/data").c_str()), 0);
  age(releases + "/chat-0", std::chrono::hours(10000));
  prune();
  EXPECT_EQ(names(), kept);
}

TEST_F(ReleasesDirTest, OneThatSomebodyHoldsStays) {
  const auto held = add("chat-0");
  ASSERT_TRUE(held);
  age(releases + "/chat-0", std::chrono::hours(10000));
  add_many();
  EXPECT_EQ(names(), kept_and({"chat-0"}));
}

}  // namespace
}  // namespace handoff::supervisor
