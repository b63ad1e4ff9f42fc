// Folders of releases: what is somebody else's is refused, and a removal stays in the folder.
#include "supervisor/releases/own_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "supervisor/core/bundle_path.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class OwnFolderTest : public testing::Test {
 protected:
  OwnFolderTest() { fs::create_directory(folder_); }
  std::string problem() const { return foreign_problem(folder_); }
  void put(const std::string& path, const std::string& text = "precious") const {
    fs::create_directories(fs::path(folder_ + "/" + path).parent_path());
    test::write_file(folder_ + "/" + path, text);
  }
  void make_release(const std::string& name) const {
    fs::create_directories(folder_ + "/" + name);
    ASSERT_TRUE(mark_folder(open_folder(folder_ + "/" + name).get(), name));
  }

  test::TempDir scratch_;
  const std::string folder_ = scratch_ / "releases";
};

TEST_F(OwnFolderTest, OneWithOtherThingsInItIsRefusedByName) {
  EXPECT_EQ(problem(), "") << "empty";
  EXPECT_EQ(foreign_problem(scratch_ / "nothing"), "") << "not there yet";
  put("postgres-data/base/1");
  EXPECT_NE(problem().find(folder_ + " holds other things (postgres-data, say)"), std::string::npos)
      << problem();
}

TEST_F(OwnFolderTest, OneThatHandoffHasUnpackedIntoIsItsOwn) {
  put("README");
  make_release("chat-1.0");
  EXPECT_EQ(problem(), "");
}

TEST_F(OwnFolderTest, ACopyOfAReleaseIsNoSignOfThat) {
  make_release("chat-1.0");
  fs::copy(folder_ + "/chat-1.0", folder_ + "/copy");
  fs::remove_all(folder_ + "/chat-1.0");
  put("README");
  EXPECT_NE(problem(), "");
}

// Before there were markers.
TEST_F(OwnFolderTest, AFolderOfNothingButReleasesIsTakenAndThoseAreNeverRemoved) {
  put("chat-1.0/release.toml", "name = \"chat\"\nversion = \"1.0\"\nprogram = \"chat\"\n");
  EXPECT_EQ(problem(), "");
  prune_own_folders(folder_, 0, {});
  EXPECT_TRUE(fs::exists(folder_ + "/chat-1.0/release.toml"));
  put("other-1.0/release.toml", "name = \"chat\"\nversion = \"1.0\"\nprogram = \"chat\"\n");
  EXPECT_NE(problem(), "") << "that is not what it was unpacked as";
}

TEST_F(OwnFolderTest, SomebodyMaySayThatItIsToBeUsed) {
  put("README");
  put(kReleasesMarker, "");
  EXPECT_EQ(problem(), "");
}

TEST_F(OwnFolderTest, ALinkInARelease) {
  const std::string precious = scratch_ / "precious";
  fs::create_directory(precious);
  test::write_file(precious + "/data", "data");
  make_release("chat-1.0");
  fs::create_directory_symlink(precious, folder_ + "/chat-1.0/lib");
  put("chat-1.0/a/b/c");
  EXPECT_TRUE(remove_own_folder(folder_ + "/chat-1.0"));
  EXPECT_FALSE(fs::exists(folder_ + "/chat-1.0"));
  EXPECT_EQ(test::read_file(precious + "/data"), "data");
}

// Somebody puts a link in place of a folder while that is being removed.
TEST_F(OwnFolderTest, NorIsOneFollowedThatIsPutThereMeanwhile) {
  const std::string precious = scratch_ / "precious";
  fs::create_directory(precious);
  for (int i = 0; i < 50; ++i) test::write_file(precious + "/" + std::to_string(i), "data");
  const std::string release = folder_ + "/chat-1.0";
  const std::string lib = release + "/lib";
  std::jthread swapping([&](const std::stop_token& over) {
    while (!over.stop_requested()) {
      std::error_code ignored;
      fs::rename(lib, lib + ".was", ignored);
      fs::create_directory_symlink(precious, lib, ignored);
      fs::remove(lib, ignored);
      fs::rename(lib + ".was", lib, ignored);
    }
  });
  for (int i = 0; i < 200; ++i) {
    const std::string hidden = folder_ + "/hidden";
    for (int j = 0; j < 20; ++j) put("hidden/lib/" + std::to_string(j));
    ASSERT_TRUE(mark_folder(open_folder(hidden).get(), "chat-1.0"));
    ASSERT_EQ(::rename(hidden.c_str(), release.c_str()), 0);
    for (int tries = 0; tries < 1000 && fs::exists(release); ++tries) {
      (void)remove_own_folder(release);
    }
    if (fs::exists(release)) break;  // whoever swaps was quicker each time
  }
  swapping = {};
  if (fs::exists(release)) {
    EXPECT_TRUE(remove_own_folder(release)) << "it is still known";
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(precious), fs::directory_iterator()), 50);
}

}  // namespace
}  // namespace handoff::supervisor
