// Bundles and signatures on the disk: what is unpacked, and that a refused one leaves nothing.
#include "supervisor/releases/release_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "in_child.h"
#include "supervisor/releases/digest.h"
#include "supervisor/releases/kept_releases.h"
#include "supervisor/releases/reopen.h"
#include "support/process/files.h"
#include "tar.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using test::Tar;

const std::string kScript = "#!/bin/sh\necho hello\n";

class ReleaseSourceTest : public testing::Test {
 protected:
  std::string bundle(const std::string& version, const std::string& text = kScript,
                     const std::string& name = "bundle.tar.gz") {
    return Tar(scratch / name, Tar::Filter::kGzip)
        .manifest(version)
        .program("bin/chat", text)
        .close();
  }
  Result<ReleasePtr> obtain(const std::string& path, const std::string& key = "") {
    return obtain_release({.path = path, .releases_dir = releases, .verify_key = key});
  }
  std::string why(const std::string& path, const std::string& key = "") {
    const auto release = obtain(path, key);
    return release ? "" : release.error().message;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(releases, none)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  using Names = std::vector<std::string>;

  test::TempDir scratch;
  std::string releases = scratch / "releases";
};

// ---- programs that are looked for

TEST_F(ReleaseSourceTest, AProgramOfARelativeFolderInThePathIsFoundByItsAbsolutePath) {
  test::write_file(scratch / "chat", kScript, 0755);
  test::in_child([&] {
    ASSERT_EQ(::chdir(scratch.path().c_str()), 0);
    ASSERT_EQ(::setenv("PATH", ".", 1), 0);
    EXPECT_EQ(find_program("chat").value_or(""), fs::current_path().native() + "/chat");
  });
}

std::string run(const Release& release) {
  const std::string command = "/proc/self/fd/" + std::to_string(release.file.get());
  // The shell and its child must inherit the fd.
  (void)::fcntl(release.file.get(), F_SETFD, 0);
  FILE* pipe = ::popen(("/bin/sh " + command).c_str(), "r");
  char text[256] = {};
  const std::size_t n = std::fread(text, 1, sizeof text, pipe);
  ::pclose(pipe);
  return {text, n};
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

// ---- signatures

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
