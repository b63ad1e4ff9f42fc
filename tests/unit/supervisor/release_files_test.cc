#include "supervisor/releases/release_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "supervisor/releases/digest.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

class ReleaseFilesTest : public testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& text = "x") {
    const std::string path = scratch / name;
    fs::create_directories(fs::path(path).parent_path());
    test::write_file(path, text, 0755);
    return path;
  }
  ReleasePtr open(const std::string& path, const std::vector<std::string>& args,
                  const std::vector<std::string>& patterns = {}) {
    auto release = open_release(path, args);
    EXPECT_TRUE(release);
    const auto added = add_files(**release, {.patterns = patterns, .working_dir = scratch.path()});
    EXPECT_TRUE(added);
    return *release;
  }
  std::vector<std::string> names(const Release& release) {
    std::vector<std::string> out;
    for (const ReleaseFile& file : release.files) {
      out.push_back(file.path.starts_with(scratch / "")
                        ? file.path.substr(scratch.path().size() + 1)
                        : file.path);
    }
    return out;
  }
  Shebang shebang(const std::string& text) {
    const UniqueFd file(::open(put("script", text).c_str(), O_RDONLY | O_CLOEXEC));
    return shebang_of(file.get());
  }
  using Names = std::vector<std::string>;

  test::TempDir scratch;
};

TEST_F(ReleaseFilesTest, AProgramIsItsOwnFile) {
  const std::string path = put("program");
  put("data");
  const ReleasePtr release = open(path, {"data"});
  EXPECT_TRUE(release->files.empty());
  EXPECT_EQ(release->digest, digest("x"));
  EXPECT_EQ(release->program_digest, digest("x"));
}

TEST_F(ReleaseFilesTest, OfAnInterpreterEveryArgumentThatIsAFileBelongsToIt) {
  const std::string python = put("python3.11");
  put("main.py");
  put("more.py");
  fs::create_directory(scratch / "folder");
  const ReleasePtr one =
      open(python, {"-u", "main.py", scratch / "more.py", "folder", "nowhere", ""});
  EXPECT_EQ(names(*one), (Names{"main.py", "more.py"}));
  EXPECT_NE(one->digest, one->program_digest);
  put("main.py", "y");
  EXPECT_FALSE(one->untouched());
  const ReleasePtr two = open(python, {"-u", "main.py", scratch / "more.py"});
  EXPECT_NE(two->digest, one->digest);
  EXPECT_EQ(two->program_digest, one->program_digest);
  EXPECT_TRUE(two->untouched());
}

TEST_F(ReleaseFilesTest, PatternsAddAndLeaveOut) {
  const std::string python = put("pypy3");
  for (const char* name : {"main.py", "data.db", "app/a.py", "app/deep/er/b.py",
                           "app/deep/test_b.py", "app/c.txt", "app/.hidden.py"}) {
    put(name);
  }
  fs::create_directory_symlink(scratch / "app", scratch / "app/around");
  const ReleasePtr release = open(python, {"main.py", "data.db"},
                                  {"app/**/*.py", "!app/**/test_*", "!data.db", "nothing/*"});
  EXPECT_EQ(names(*release), (Names{"app/a.py", "app/deep/er/b.py", "main.py"}));
}

TEST_F(ReleaseFilesTest, WhichProgramsAreInterpreters) {
  for (const char* path :
       {"/usr/bin/python3", "/usr/bin/python3.11", "pypy3", "/bin/sh", "/opt/node18",
        "/usr/bin/ruby3.1", "/usr/bin/perl5.36.0", "java", "beam.smp"}) {
    EXPECT_TRUE(is_interpreter(path)) << path;
  }
  for (const char* path : {"/opt/kv-2.0", "/opt/pythonic", "/opt/shell", "/opt/12", "/"}) {
    EXPECT_FALSE(is_interpreter(path)) << path;
  }
}

TEST_F(ReleaseFilesTest, WhatAScriptNames) {
  EXPECT_EQ(shebang("#!/bin/sh\nexit").found, "/bin/sh");
  EXPECT_EQ(shebang("#! /bin/sh  -e -x \n").words, (Names{"/bin/sh", "-e -x"}));
  EXPECT_EQ(shebang("#!/usr/bin/env sh\n").words, Names{*find_program("sh")});
  EXPECT_EQ(shebang("#!/usr/bin/env -S sh -e\n").words, (Names{"/usr/bin/env", "-S sh -e"}));
  EXPECT_EQ(shebang("#!/usr/bin/env no-such-program\n").found, "/usr/bin/env");
  EXPECT_EQ(shebang("text").found, "");
  EXPECT_EQ(shebang("").found, "");
  EXPECT_EQ(shebang("#!").found, "");
  EXPECT_EQ(shebang("#!\n").found, "");
}

TEST_F(ReleaseFilesTest, OfAScriptItsInterpreterAndTheFilesAmongItsArgumentsBelongToIt) {
  put("config");
  const ReleasePtr release = open(put("script", "#!/bin/sh\n"), {"config", "--other"});
  EXPECT_EQ(names(*release), (Names{"/bin/sh", "config"}));
}

TEST_F(ReleaseFilesTest, ACopyLiesAtItsOwnPathBelowItsRoot) {
  EXPECT_EQ(place_below("", "/a/../b"), "/a/../b");
  EXPECT_EQ(place_below("/root", "/a/b"), "/root/a/b");
  EXPECT_EQ(place_below("/root", "/a/../../b"), "/root/a/up/up/b");
}

// The shell and the kernel look at what a link leads to before they go up.
TEST_F(ReleaseFilesTest, APathIsResolvedAsTheKernelDoes) {
  put("releases/2/kv", "new");
  put("releases/kv", "above");
  put("kv", "beside");
  fs::create_directory_symlink(scratch / "releases/2", scratch / "current");
  const auto found = find_program(scratch / "current/.././kv");
  ASSERT_TRUE(found);
  EXPECT_EQ(test::read_file(*found), "above");
  EXPECT_EQ(*found, scratch / "current/../kv");
}

}  // namespace
}  // namespace handoff::supervisor
