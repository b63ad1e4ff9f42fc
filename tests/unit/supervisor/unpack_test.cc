// Archives: what comes out of good ones, and that nothing of a bad one leads out of the folder.
#include "supervisor/unpack/unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zstd.h>

#include <array>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/releases/archive.h"
#include "support/process/files.h"
#include "tar.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;
using test::Tar;

// One of a tar by hand, since libarchive writes no size where there are no contents.
std::string tar_header(const std::string& name, char type, std::size_t size,
                       const std::string& target = "") {
  std::string out(512, '\0');
  const auto put = [&out](std::size_t at, const std::string& text) {
    out.replace(at, text.size(), text);
  };
  std::array<char, 16> octal{};
  put(0, name);
  put(100, "0000755");
  put(108, "0000000");
  put(116, "0000000");
  std::snprintf(octal.data(), octal.size(), "%011zo", size);
  put(124, octal.data());
  put(136, "00000000000");
  put(148, "        ");
  out[156] = type;
  put(157, target);
  put(257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char byte : out) sum += static_cast<unsigned char>(byte);
  std::snprintf(octal.data(), octal.size(), "%06o", sum);
  put(148, std::string(octal.data(), 7) + " ");
  return out;
}

class UnpackTest : public testing::Test {
 protected:
  UnpackTest() {
    ::umask(022);  // as handoff-unpack has it
    fs::create_directories(into);
  }
  // "" or why not.
  std::string unpacked(const std::string& archive, const UnpackLimits& limits = {}) {
    const UniqueFd from(::open(archive.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(from.valid() && to.valid());
    EXPECT_TRUE(is_archive(from.get()));
    const auto done = unpack(from.get(), to.get(), limits);
    return done ? "" : done.error().message;
  }
  // Everything under the scratch folder but what may be there.
  std::size_t outside() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(scratch.path())) {
      const std::string name = entry.path().filename();
      if (name != "into" && name != "a.tar") ++count;
    }
    return count;
  }
  mode_t mode(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(::lstat((into + "/" + name).c_str(), &info), 0) << name;
    return info.st_mode & 07777;
  }
  std::string read(const std::string& name) const { return test::read_file(into + "/" + name); }

  test::TempDir scratch;
  std::string into = scratch / "into";
  std::string at = scratch / "a.tar";
};

TEST_F(UnpackTest, FilesFoldersAndLinksComeOut) {
  for (const auto filter : {Tar::Filter::kNone, Tar::Filter::kGzip, Tar::Filter::kZstd}) {
    fs::remove_all(into);
    fs::create_directories(into);
    const std::string big(300000, 'x');
    ASSERT_EQ(unpacked(Tar(at, filter)
                           .folder("./")
                           .folder("./bin")
                           .file("./bin/chat", "program", 0700)
                           .file("lib/deep/er/libchat.so.1", big, 0666)
                           .link("lib/libchat.so", "deep/er/libchat.so.1")
                           .link("bin/up", "../lib")
                           .hard_link("bin/again", "bin/chat")
                           .file("empty", "")
                           .close()),
              "");
    EXPECT_EQ(read("bin/chat"), "program");
    EXPECT_EQ(read("bin/again"), "program");
    EXPECT_EQ(read("lib/libchat.so"), big);
    EXPECT_EQ(read("bin/up/deep/er/libchat.so.1"), big);
    EXPECT_EQ(read("empty"), "");
    EXPECT_EQ(mode("bin/chat"), 0755U);
    EXPECT_EQ(mode("lib/deep/er/libchat.so.1"), 0644U) << "nobody else may write to it";
    EXPECT_EQ(mode("bin"), 0755U);
  }
}

TEST_F(UnpackTest, NamesAreUtf8WhateverTheLocaleIs) {
  ASSERT_NE(std::setlocale(LC_ALL, "C.UTF-8"), nullptr);
  Tar(at).file("grüße/日本", "hello").close();
  ASSERT_NE(std::setlocale(LC_ALL, "C"), nullptr);
  ASSERT_EQ(unpacked(at), "");
  EXPECT_EQ(read("grüße/日本"), "hello");
}

TEST_F(UnpackTest, NothingLeadsOut) {
  const auto refused = [&](const std::function<void(Tar&)>& fill) {
    fs::remove_all(into);
    fs::create_directories(into);
    Tar tar(at);
    tar.file("fine", "");
    fill(tar);
    const std::string why = unpacked(tar.close());
    EXPECT_EQ(outside(), 0U) << why;
    return why;
  };
  const std::string out = "leads out of the bundle";
  EXPECT_NE(refused([](Tar& tar) { tar.file("../evil", "x"); }).find(out), std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.file("a/../../evil", "x"); }).find(out), std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.file("a/..", "x"); }).find(out), std::string::npos);
  EXPECT_NE(refused([&](Tar& tar) { tar.file(scratch / "evil", "x"); }).find("absolute path"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.link("l", ".."); }).find(out), std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.link("l", "/etc/passwd"); }).find(out), std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.link("l", "../into/fine"); }).find(out), std::string::npos)
      << "not even to come back";
  // Each link alone stays inside; together they lead out.
  EXPECT_NE(
      refused([](Tar& tar) { tar.folder("d").link("d/x", "..").link("y", "d/x/.."); }).find(out),
      std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.hard_link("l", "../a.tar"); }).find(out), std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.hard_link("l", "/etc/passwd"); }).find(out),
            std::string::npos);
}

TEST_F(UnpackTest, NothingIsWrittenThroughALink) {
  fs::create_directories(scratch / "victim");
  const std::string why =
      unpacked(Tar(at).link("l", scratch / "victim").file("l/evil", "x").close());
  EXPECT_NE(why.find("l is no folder, and something is to be in it"), std::string::npos) << why;
  EXPECT_TRUE(fs::is_empty(scratch / "victim"));
  fs::remove_all(into);
  fs::create_directories(into);
  test::TempDir other;
  std::ofstream(other / "victim") << "precious";
  EXPECT_NE(
      unpacked(Tar(at).link("l", other / "victim").file("l", "x").close()).find("in it twice"),
      std::string::npos);
  EXPECT_EQ(test::read_file(other / "victim"), "precious");
}

TEST_F(UnpackTest, WhatIsNoPlainFileIsRefused) {
  const auto refused = [&](const std::function<void(Tar&)>& fill) {
    fs::remove_all(into);
    fs::create_directories(into);
    Tar tar(at);
    fill(tar);
    return unpacked(tar.close());
  };
  for (const mode_t type : {AE_IFCHR, AE_IFBLK, AE_IFIFO}) {
    EXPECT_NE(refused([&](Tar& tar) { tar.special("x", type); }).find("x is a device, a pipe or a"),
              std::string::npos);
  }
  for (const mode_t mode : {04755, 02755}) {
    EXPECT_NE(refused([&](Tar& tar) { tar.file("x", "", mode); }).find("setuid or setgid"),
              std::string::npos);
  }
  EXPECT_NE(refused([](Tar& tar) { tar.link("x", "nowhere"); }).find("link to nothing"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.link("x", "x"); }).find("link to nothing"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.hard_link("x", "nowhere"); }).find("no file before it"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.folder("d").hard_link("x", "d"); }).find("no file before"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.file("x", "1").file("./x", "2"); }).find("in it twice"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.file("x", "1").file("x/y", "2"); }).find("is no folder"),
            std::string::npos);
  EXPECT_NE(refused([](Tar& tar) { tar.file("a\nb", ""); }).find("control character"),
            std::string::npos);
}

TEST_F(UnpackTest, WhatIsTooMuchEndsEarly) {
  // A bomb: ten megabytes of zeros, a few kilobytes packed.
  Tar(at, Tar::Filter::kGzip).file("zeros", std::string(10 << 20, '\0')).close();
  ASSERT_LT(fs::file_size(at), 100000U);
  EXPECT_NE(unpacked(at, {.bytes = 1 << 20}).find("more than 1048576 bytes"), std::string::npos);
  EXPECT_EQ(fs::exists(into + "/zeros"), false) << "its header says so already";
  Tar many(at);
  for (int i = 0; i < 30; ++i) many.file("d" + std::to_string(i) + "/e/f", "x");
  many.close();
  EXPECT_NE(unpacked(at, {.entries = 60}).find("more than 60 files"), std::string::npos)
      << "folders that nobody lists count, too";
  fs::remove_all(into);
  fs::create_directories(into);
  EXPECT_NE(unpacked(Tar(at).file(std::string(60, 'a') + "/" + std::string(60, 'b'), "").close(),
                     {.path = 100})
                .find("too long"),
            std::string::npos);
  EXPECT_NE(unpacked(Tar(at).file(std::string(256, 'a'), "").close()).find("too long"),
            std::string::npos);
}

// libarchive passes over what is no file's, and would decompress it without an end.
TEST_F(UnpackTest, WhatHasNoPlaceInAFileIsBounded) {
  const std::string contents(1 << 20, 'y');
  const std::string size = "16 size=1048576\n";
  for (const char type : {'5', '2', '1'}) {
    std::string tar = tar_header("a", '0', 0) + tar_header("pax", 'x', size.size()) + size;
    tar.resize(tar.size() + 512 - size.size(), '\0');
    test::write_file(at, tar + tar_header("x", type, 0, "a") + contents + std::string(1024, '\0'));
    EXPECT_NE(unpacked(at).find("x is no file, and has contents"), std::string::npos) << type;
    fs::remove_all(into);
    fs::create_directories(into);
  }
  // An attribute for each file, which libarchive reads and nobody asks for.
  constexpr std::size_t kLong = 512 * 1024;
  const std::string record = "524288 comment=" + std::string(kLong - 16, 'x') + "\n";
  std::string tar;
  for (int i = 0; i < 4; ++i) {
    tar += tar_header("pax", 'x', record.size()) + record + tar_header(std::to_string(i), '0', 0);
  }
  test::write_file(at, tar + std::string(1024, '\0'));
  const std::string why = unpacked(at, {.bytes = 1000, .entries = 15});
  EXPECT_NE(why.find("it has more than 1049576 bytes, those beside its files"), std::string::npos)
      << why;
}

TEST_F(UnpackTest, SumsUpAllFiles) {
  Tar tar(at);
  for (int i = 0; i < 4; ++i) tar.file(std::to_string(i), std::string(1000, 'x'));
  EXPECT_EQ(unpacked(tar.close(), {.bytes = 4000}), "");
  fs::remove_all(into);
  fs::create_directories(into);
  EXPECT_NE(unpacked(at, {.bytes = 3999}).find("more than 3999 bytes"), std::string::npos);
}

TEST_F(UnpackTest, AnArchiveThatIsCutOffIsNotUnpacked) {
  for (const auto filter : {Tar::Filter::kNone, Tar::Filter::kGzip, Tar::Filter::kZstd}) {
    Tar tar(at, filter);
    std::string text;
    for (unsigned i = 0; text.size() < 20000; ++i) text += std::to_string(i * 2654435761U);
    tar.file("a", text).file("b", text).close();
    const std::string whole = test::read_file(at);
    // Every length for a while, then in steps: inside of headers, files, and between them.
    for (std::size_t size = 512; size + 1024 < whole.size();
         size += filter == Tar::Filter::kNone ? 512 : 97) {
      fs::remove_all(into);
      fs::create_directories(into);
      std::ofstream(at, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
      EXPECT_NE(unpacked(at), "") << size << " of " << whole.size();
    }
  }
}

TEST_F(UnpackTest, GarbageIsAnErrorAndNothingElse) {
  Tar(at).file("a", "text").link("l", "a").folder("d").hard_link("h", "a").close();
  const std::string whole = test::read_file(at);
  std::uint32_t random = 1;
  for (int round = 0; round < 150; ++round) {
    std::string bad = whole;
    for (int flips = 0; flips < 3; ++flips) {
      random = random * 1664525U + 1013904223U;
      bad[(random >> 8) % bad.size()] = static_cast<char>(random >> 24);
    }
    fs::remove_all(into);
    fs::create_directories(into);
    std::ofstream(at, std::ios::binary | std::ios::trunc) << bad;
    const UniqueFd from(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    (void)unpack(from.get(), to.get(), {.bytes = 1 << 20});
    ASSERT_EQ(outside(), 0U) << round;
  }
}

// What `zstd` and `tar --zstd` write: a frame with its checksum.
std::string zstd_with_checksum(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  EXPECT_EQ(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)), 0U);
  const std::size_t size =
      ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size());
  EXPECT_EQ(ZSTD_isError(size), 0U);
  ZSTD_freeCCtx(context);
  out.resize(size);
  return out;
}

// A bit of it is another on the disk or on its way: it is refused, or makes no difference.
TEST_F(UnpackTest, EveryBitOfACompressedArchiveCounts) {
  const test::TempDir memory("/dev/shm");
  into = memory / "into";
  std::string contents;
  for (int i = 0; i < 40; ++i) contents += static_cast<char>(33 + i * 41 % 90);
  const std::map<std::string, std::string> right = {{"a", contents}, {"bin/chat", "program"}};
  const auto tar = [&](Tar::Filter filter) {
    return test::read_file(
        Tar(at, filter).file("a", contents).program("bin/chat", "program").close());
  };
  const std::string archives[] = {tar(Tar::Filter::kGzip),
                                  zstd_with_checksum(tar(Tar::Filter::kNone))};
  for (const std::string& archive : archives) {
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < 8 * archive.size(); ++bit) {
      std::string altered = archive;
      altered[bit / 8] = static_cast<char>(altered[bit / 8] ^ (1 << bit % 8));
      test::write_file(at, altered);
      fs::remove_all(into);
      fs::create_directories(into);
      const UniqueFd from(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
      const UniqueFd to(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!unpack(from.get(), to.get(), {})) {
        ++refused;
        continue;
      }
      std::map<std::string, std::string> found;
      for (const auto& entry : fs::recursive_directory_iterator(into)) {
        if (entry.is_directory()) continue;
        const std::string name = entry.path().lexically_relative(into);
        found[name] = test::read_file(entry.path());
      }
      EXPECT_EQ(found, right) << "bit " << bit << " of " << 8 * archive.size();
      EXPECT_EQ(mode("bin/chat"), 0755U) << bit;
      EXPECT_EQ(mode("a"), 0644U) << bit;
    }
    // What makes no difference is the time and the system in gzip's header, and which of a tar's
    // zeros are repeated.
    EXPECT_GT(refused, 8 * archive.size() - 8 * 16);
  }
}

TEST_F(UnpackTest, WhatFollowsTheEndOfAnArchiveIsRefused) {
  Tar(at).file("a", "text").close();
  const std::string tar = test::read_file(at);
  Tar(at, Tar::Filter::kGzip).file("a", "text").close();
  const std::string gzip = test::read_file(at);
  const auto after = [&](const std::string& archive, const std::string& more) {
    fs::remove_all(into);
    fs::create_directories(into);
    test::write_file(at, archive + more);
    return unpacked(at);
  };
  const std::string zstd = zstd_with_checksum(tar);
  for (const std::string& archive : {tar, gzip, zstd}) {
    EXPECT_EQ(after(archive, ""), "");
    EXPECT_NE(after(archive, "more").find("the archive is broken"), std::string::npos);
    EXPECT_NE(after(archive, archive).find("the archive is broken"), std::string::npos)
        << "two archives in one file";
  }
  // Two parts of one archive, each compressed by itself: that is what `cat` makes of them.
  const std::string half = zstd_with_checksum(tar.substr(0, 700));
  EXPECT_EQ(after(half, zstd_with_checksum(tar.substr(700))), "");
  // Of an archive's blocks there may be any number, but not without end.
  EXPECT_EQ(after(tar, std::string(512 * 1000, '\0')), "");
  EXPECT_NE(after(zstd, zstd_with_checksum(std::string(64 << 20, '\0'))).find("is broken"),
            std::string::npos);
}

TEST_F(UnpackTest, OnlyArchivesAreArchives) {
  const auto is = [&](const std::string& text) {
    std::ofstream(at, std::ios::binary | std::ios::trunc) << text;
    const UniqueFd fd(::open(at.c_str(), O_RDONLY | O_CLOEXEC));
    return is_archive(fd.get());
  };
  EXPECT_FALSE(is(""));
  EXPECT_FALSE(
      is("\x7f"
         "ELF"));
  EXPECT_FALSE(is("#!/bin/sh\n" + std::string(1000, 'x')));
  EXPECT_TRUE(is("\x1f\x8b\x08"));
}

}  // namespace
}  // namespace handoff::supervisor
