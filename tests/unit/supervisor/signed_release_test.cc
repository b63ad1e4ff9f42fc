// Signatures on the disk: what minisign has not signed with the key does not run, and leaves
// nothing.
#include "supervisor/releases/release_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "release_source_fixture.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using test::Tar;

class SignedReleaseTest : public ReleaseSourceTest {
 protected:
  SignedReleaseTest() { make_key("k"); }
  void make_key(const std::string& name) {
    minisign("-G -W -f -p " + (scratch / (name + ".pub")) + " -s " + (scratch / (name + ".key")));
  }
  static void minisign(const std::string& arguments) {
    ASSERT_EQ(std::system(("minisign " + arguments + " >/dev/null 2>&1 </dev/null").c_str()), 0)
        << arguments;
  }
  void sign(const std::string& path, const std::string& options = "", const std::string& by = "k") {
    fs::remove(path + ".minisig");
    minisign("-S " + options + " -s " + (scratch / (by + ".key")) + " -m " + path);
  }
  std::string program(const std::string& text = kScript) {
    const std::string path = scratch / "chat";
    fs::remove(path);
    std::ofstream(path) << text;
    EXPECT_EQ(::chmod(path.c_str(), 0755), 0);
    return path;
  }
  const std::string key = scratch / "k.pub";
};

TEST_F(SignedReleaseTest, AProgramThatMinisignSignedRuns) {
  for (const char* options : {"", "-l", "-t 'chat 2.0'"}) {
    const std::string path = program();
    sign(path, options);
    const auto release = obtain(path, key);
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ((*release)->verified.size(), 16U);
    EXPECT_EQ(run(**release), "hello\n");
  }
}

TEST_F(SignedReleaseTest, AnEmptyFileCanBeSignedToo) {
  const std::string path = program("");
  sign(path);
  EXPECT_EQ(why(path, key), "");
}

TEST_F(SignedReleaseTest, TheKeyMayStandInTheConfiguration) {
  const std::string path = program();
  sign(path);
  const std::string text = test::read_file(key);
  const std::size_t line = text.find('\n') + 1;
  EXPECT_EQ(why(path, text.substr(line, text.find('\n', line) - line)), "");
}

TEST_F(SignedReleaseTest, WhatIsNotSignedDoesNotRun) {
  const std::string path = program();
  const auto refused = obtain(path, key);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, -EKEYREJECTED);
  EXPECT_EQ(refused.error().message,
            path +
                " is not signed, and only what is signed may run: there is "
                "no " +
                path + ".minisig");
  make_key("other");
  sign(path, "", "other");
  EXPECT_NE(why(path, key).find("is signed by the key"), std::string::npos);
  sign(path);
  std::ofstream(path, std::ios::app) << "echo evil\n";
  EXPECT_NE(why(path, key).find("one of them was altered"), std::string::npos);
  program();
  std::ofstream(path + ".minisig", std::ios::trunc) << "garbage";
  EXPECT_NE(why(path, key).find("it is no signature"), std::string::npos);
  EXPECT_NE(why(path, scratch / "nokey.pub").find("verify.key: "), std::string::npos);
  ASSERT_EQ(::chmod(key.c_str(), 0666), 0);
  EXPECT_NE(why(path, key).find("can be changed by others"), std::string::npos);
  EXPECT_NE(why(path, path).find("no public key"), std::string::npos);
}

TEST_F(SignedReleaseTest, WhatWasVerifiedIsWhatRuns) {
  const std::string path = program();
  sign(path);
  const auto release = obtain(path, key);
  ASSERT_TRUE(release);
  {
    // Writes into the verified file itself, as any process with write access may do.
    std::ofstream file(path, std::ios::in | std::ios::out);
    file << "#!/bin/sh\necho evil\n";
  }
  EXPECT_NE(test::read_file(path), kScript);
  EXPECT_EQ(run(**release), "hello\n");
  EXPECT_TRUE((*release)->untouched());
  const std::string own = "/proc/self/fd/" + std::to_string((*release)->file.get());
  const UniqueFd copy(::open(own.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_LT(::pwrite(copy.get(), "evil", 4, 0), 0) << "nobody can write to the copy";
  EXPECT_LT(::ftruncate(copy.get(), 0), 0);
}

TEST_F(SignedReleaseTest, ABundleIsVerifiedBeforeItIsUnpacked) {
  const std::string path = bundle("2.0");
  EXPECT_NE(why(path, key).find("is not signed"), std::string::npos);
  EXPECT_EQ(names(), Names{});
  sign(path);
  {
    const auto release = obtain(path, key);
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ((*release)->verified.size(), 16U);
    EXPECT_EQ(run(**release), "hello\n");
    EXPECT_EQ(names(), Names{"chat-2.0"}) << "and the copy that was verified is gone";
  }
  std::string bytes = test::read_file(path);
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string altered = bytes;
    altered[at] = static_cast<char>(altered[at] ^ 0x10);
    std::ofstream(path, std::ios::trunc | std::ios::binary) << altered;
    // The first bytes make it an archive. If they are altered, it counts as a binary, and is none.
    EXPECT_NE(why(path, key), "") << at;
  }
  EXPECT_EQ(names(), Names{});
}

}  // namespace
}  // namespace handoff::supervisor
