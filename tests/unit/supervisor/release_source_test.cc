// Bundles on the disk: what is unpacked, and that a refused one leaves nothing.
#include "supervisor/releases/release_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "in_child.h"
#include "release_source_fixture.h"
#include "supervisor/releases/digest.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/reopen.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using test::Tar;

// ---- programs that are looked for

TEST_F(ReleaseSourceTest, AProgramOfARelativeFolderInThePathIsFoundByItsAbsolutePath) {
  test::write_file(scratch / "chat", kScript, 0755);
  test::in_child([&] {
    ASSERT_EQ(::chdir(scratch.path().c_str()), 0);
    ASSERT_EQ(::setenv("PATH", ".", 1), 0);
    EXPECT_EQ(find_program("chat").value_or(""), fs::current_path().native() + "/chat");
  });
}

// ---- bundles

TEST_F(ReleaseSourceTest, ABundleIsUnpackedUnderItsNameAndVersion) {
  const std::string path = Tar(scratch / "b.tar.zst", Tar::Filter::kZstd)
                               .manifest("2.0", "args = [\"-v\"]\n")
                               .program("bin/chat", kScript)
                               .file("data/words", "many")
                               .close();
  {
    const auto release = obtain(path);
    ASSERT_TRUE(release) << release.error().message;
    EXPECT_EQ((*release)->path, releases + "/chat-2.0/bin/chat");
    EXPECT_EQ((*release)->source, path);
    EXPECT_EQ((*release)->args, std::vector<std::string>{"-v"});
    EXPECT_TRUE((*release)->script);
    EXPECT_EQ(run(**release), "hello\n");
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ((*release)->digest, *digest(file.get(), path)) << "what sha256sum says of the bundle";
    EXPECT_EQ(test::read_file(releases + "/chat-2.0/data/words"), "many");
    EXPECT_EQ(names(), Names{"chat-2.0"});
  }
  EXPECT_EQ(names(), Names{}) << "an upgrade that fails leaves nothing";
}

TEST_F(ReleaseSourceTest, GivenArgumentsComeBeforeTheManifests) {
  const std::string path = Tar(scratch / "b.tar")
                               .manifest("2.0", "args = [\"-v\"]\n")
                               .program("bin/chat", kScript)
                               .close();
  const auto release =
      obtain_release({.path = path, .args = {"-q"}, .args_given = true, .releases_dir = releases});
  EXPECT_EQ((*release)->args, std::vector<std::string>{"-q"});
  const auto plain =
      obtain_release({.path = bundle("3.0"), .args = {"-q"}, .releases_dir = releases});
  EXPECT_EQ((*plain)->args, std::vector<std::string>{"-q"});
}

TEST_F(ReleaseSourceTest, WhatIsNoReleaseLeavesNothing) {
  EXPECT_NE(why(Tar(scratch / "a.tar").program("bin/chat", kScript).close())
                .find("there is no release.toml at its root (name, version, program)"),
            std::string::npos);
  EXPECT_NE(why(Tar(scratch / "a.tar").manifest().close()).find("bin/chat, is not in it"),
            std::string::npos);
  EXPECT_NE(why(Tar(scratch / "a.tar").manifest().file("bin/chat", kScript).close())
                .find("bin/chat, is no executable: it has no permission to execute"),
            std::string::npos);
  EXPECT_NE(why(Tar(scratch / "a.tar").manifest().folder("bin/chat").close())
                .find("bin/chat, is no executable: it is not a file"),
            std::string::npos);
  EXPECT_NE(why(Tar(scratch / "a.tar").manifest().link("x", "/etc").close()).find("leads out"),
            std::string::npos);
  EXPECT_NE(why(Tar(scratch / "a.tar").link("release.toml", "x").file("x", "").close())
                .find("no release.toml"),
            std::string::npos);
  std::ofstream(scratch / "b.tar.gz") << "\x1f\x8b\x08 and then nothing";
  EXPECT_NE(why(scratch / "b.tar.gz").find("the archive is broken"), std::string::npos);
  EXPECT_EQ(names(), Names{});
}

TEST_F(ReleaseSourceTest, ABundleIsNoCommand) {
  const auto refused = obtain_release({.path = bundle("2.0")});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("is a bundle, and command is a program"),
            std::string::npos);
}

TEST_F(ReleaseSourceTest, TheSameBundleIsUnpackedOnce) {
  const auto first = obtain(bundle("2.0"));
  keep_release(nullptr, *ReleasePtr(std::make_shared<Release>()));  // of no bundle: nothing to keep
  const auto again = obtain(bundle("2.0", kScript, "copy.tar.gz"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*first)->path, (*again)->path);
  EXPECT_EQ(names(), Names{"chat-2.0"});
}

TEST_F(ReleaseSourceTest, AnotherOfTheSameNameDoesNotReplaceOneInUse) {
  auto first = obtain(bundle("2.0"));
  ASSERT_TRUE(first);
  (*first)->folder->keep();
  EXPECT_NE(why(bundle("2.0", "#!/bin/sh\necho other\n"))
                .find("is there already, with other contents, and is in use"),
            std::string::npos);
  EXPECT_EQ(run(**first), "hello\n");
  first = fail(0, "let go");
  EXPECT_EQ(names(), Names{"chat-2.0"});
  const auto second = obtain(bundle("2.0", "#!/bin/sh\necho other\n"));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(run(**second), "other\n");
}

TEST_F(ReleaseSourceTest, TheLastFiveStayAndThoseInUse) {
  const auto oldest = obtain(bundle("1"));
  ASSERT_TRUE(oldest);
  (*oldest)->folder->keep();
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  for (int version = 2; version <= 9; ++version) {
    const auto release = obtain(bundle(std::to_string(version)));
    ASSERT_TRUE(release) << release.error().message;
    keep_release(&loop, **release);
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  ASSERT_EQ(uv_loop_close(&loop), 0);
  EXPECT_EQ(names(), (Names{"chat-1", "chat-5", "chat-6", "chat-7", "chat-8", "chat-9"}));
}

TEST_F(ReleaseSourceTest, WhatACrashHasLeftIsSweptUp) {
  fs::create_directory(releases);
  test::in_child([this] {
    (void)ReleasesDir::open(releases)->add([](int folder) -> Result<std::string> {
      EXPECT_EQ(::mkdirat(folder, "bin", 0755), 0);
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    });
  });
  ASSERT_EQ(names().size(), 1U);
  const auto release = obtain(bundle("2.0"));
  ASSERT_TRUE(release);
  EXPECT_EQ(names(), Names{"chat-2.0"});
}

TEST_F(ReleaseSourceTest, AFolderThatOthersCanChangeIsRefused) {
  fs::create_directories(releases);
  ASSERT_EQ(::chmod(releases.c_str(), 0777), 0);
  EXPECT_NE(why(bundle("2.0")).find("can be changed by others"), std::string::npos);
}

TEST_F(ReleaseSourceTest, AReleaseIsReopenedIfAllOfItIsStillThere) {
  SavedRelease saved;
  {
    const auto release = obtain(bundle("2.0"));
    ASSERT_TRUE(release);
    (*release)->folder->keep();
    saved = {.path = (*release)->path,
             .args = {"-v"},
             .digest = (*release)->digest,
             .name = "2.0",
             .source = (*release)->source,
             .folder = (*release)->folder->path(),
             .tree = (*release)->folder->tree(),
             .verified = ""};
  }
  const auto again = reopen_release({.saved = saved});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(run(**again), "hello\n");
  EXPECT_EQ((*again)->digest, saved.digest);
  EXPECT_EQ((*again)->args, saved.args);
  const auto unverified = reopen_release({.saved = saved, .verify_key = "RWQ..."});
  ASSERT_FALSE(unverified);
  EXPECT_EQ(unverified.error().code, -EKEYREJECTED);
  std::ofstream(saved.folder + "/data") << "one more file";
  const auto altered = reopen_release({.saved = saved});
  ASSERT_FALSE(altered);
  EXPECT_NE(altered.error().message.find("not any more what was unpacked"), std::string::npos);
}

// The digest tells that nobody has read them: it is none of theirs.
TEST_F(ReleaseSourceTest, OfAFileWithItsMarkTheDigestIsBelieved) {
  const std::string program = scratch / "program";
  const std::string words = scratch / "words";
  fs::copy_file("/bin/sh", program);
  std::ofstream(words) << "one";
  const auto opened =
      obtain_release({.path = program, .files = FileRules{.patterns = {words}, .working_dir = ""}});
  ASSERT_TRUE(opened) << opened.error().message;
  SavedRelease saved = saved_release(**opened);
  saved.program_digest = "of the program";
  saved.files.at(0).digest = "of the words";
  const auto believed = reopen_release({.saved = saved});
  ASSERT_TRUE(believed) << believed.error().message;
  EXPECT_EQ((*believed)->program_digest, "of the program");
  EXPECT_EQ((*believed)->files.at(0).digest, "of the words");
  EXPECT_TRUE((*believed)->untouched());

  SavedRelease other = saved;
  ++other.files.at(0).mark.changed.tv_nsec;
  EXPECT_FALSE(reopen_release({.saved = other})) << "it was read, and is another";
  other = saved;
  ++other.mark.changed.tv_nsec;
  EXPECT_FALSE(reopen_release({.saved = other}));
  other = saved;
  other.mark = {};
  EXPECT_FALSE(reopen_release({.saved = other})) << "by a supervisor before file marks";
}

// What lies outside of a bundle and belongs to the release is one of its files.
TEST_F(ReleaseSourceTest, ABundleAndWhatItNeedsOfTheHostAreOneRelease) {
  const std::string interpreter = scratch / "interpreter";
  const std::string words = scratch / "words";
  fs::copy_file("/bin/sh", interpreter);
  std::ofstream(words) << "one";
  const std::string path =
      Tar(scratch / "b.tar")
          .file("release.toml", "name = \"chat\"\nversion = \"2.0\"\nprogram = \"" + interpreter +
                                    "\"\nargs = [\"$BUNDLE/app\"]\nfiles = [\"" + words +
                                    "\", \"app\"]\n")
          .file("app", "echo hello\n")
          .close();
  const auto open = [&] {
    return obtain_release({.path = path, .releases_dir = releases, .files = FileRules{}});
  };
  const auto first = open();
  ASSERT_TRUE(first) << first.error().message;
  (*first)->folder->keep();
  EXPECT_EQ((*first)->path, interpreter);
  EXPECT_EQ((*first)->source, path);
  ASSERT_EQ((*first)->files.size(), 2U);
  EXPECT_EQ((*first)->files[0].path, interpreter);
  EXPECT_EQ((*first)->files[1].path, words);
  EXPECT_EQ((*open())->digest, (*first)->digest);

  const KeptReleases kept(scratch / "kept");
  ASSERT_TRUE(kept.keep(**first));
  const SavedRelease saved = saved_release(**first);
  const auto reopened = [&] { return reopen_release({.saved = saved, .kept = scratch / "kept"}); };
  ASSERT_TRUE(reopened()) << reopened().error().message;
  EXPECT_EQ((*reopened())->kept_from(), "");

  std::ofstream(words) << "another";
  EXPECT_NE((*open())->digest, (*first)->digest) << "another release";
  const auto again = reopened();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->digest, (*first)->digest);
  EXPECT_EQ((*again)->file_path, place_below((*again)->kept_root, interpreter));
  EXPECT_EQ(test::read_file(place_below((*again)->kept_root, words)), "one");
  EXPECT_EQ((*again)->folder->path(), releases + "/chat-2.0") << "what the bundle brought is there";

  fs::remove_all(scratch / "kept");
  EXPECT_NE(reopened().error().message.find("not the file any more"), std::string::npos);
}

}  // namespace
}  // namespace handoff::supervisor
