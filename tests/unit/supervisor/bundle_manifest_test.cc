// A bundle's release.toml: what it names, and what is wrong with a bad one.
#include "supervisor/releases/bundle_manifest.h"

#include <gtest/gtest.h>

#include "supervisor/core/bundle_path.h"

namespace handoff::supervisor {
namespace {

const std::string kGood = "name = \"chat\"\nversion = \"2.0\"\nprogram = \"bin/chat\"\n";

std::string why(const std::string& text) {
  const auto manifest = parse_manifest(text);
  return manifest ? "accepted" : manifest.error().message;
}

TEST(BundleManifestTest, NamesTheReleaseAndItsProgram) {
  const auto manifest = parse_manifest(kGood);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->folder(), "chat-2.0");
  EXPECT_EQ(manifest->program, "bin/chat");
  EXPECT_FALSE(manifest->args);
  EXPECT_EQ(*parse_manifest(kGood + "args = []\n")->args, std::vector<std::string>{});
  EXPECT_EQ(*parse_manifest(kGood + "args = [\"-v\", \"\"]\n")->args,
            (std::vector<std::string>{"-v", ""}));
}

TEST(BundleManifestTest, MayNameAProgramAndFilesOfTheHost) {
  const auto manifest = parse_manifest(
      "name = \"chat\"\nversion = \"2.0\"\nprogram = \"/usr/bin/python3\"\n"
      "args = [\"$BUNDLE/app.py\"]\nfiles = [\"/etc/chat/*.toml\", \"!/etc/chat/x.toml\"]\n");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->program, "/usr/bin/python3");
  EXPECT_EQ(manifest->files, (std::vector<std::string>{"/etc/chat/*.toml", "!/etc/chat/x.toml"}));
}

TEST(BundleManifestTest, AVersionMayBeOfAPackageOrHaveBuildMetadata) {
  for (const std::string version : {"1.2+dfsg~rc1", "28~1-g8bd83a1", "1.0.0-rc.1+build.5"}) {
    const auto manifest =
        parse_manifest("name = \"chat\"\nversion = \"" + version + "\"\nprogram = \"chat\"\n");
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_EQ(manifest->folder(), "chat-" + version);
  }
  EXPECT_NE(why("name = \"chat+1\"\nversion = \"1\"\nprogram = \"chat\"\n"), "accepted");
}

TEST(BundleManifestTest, TellsAllThatIsWrong) {
  EXPECT_EQ(
      why(""),
      "release.toml: there is no name; release.toml: there is no version; release.toml: there "
      "is no program");
  EXPECT_EQ(why(kGood + "agrs = []\n"),
            "release.toml:4: unknown key \"agrs\" in release.toml; did you mean \"args\"?");
  EXPECT_EQ(why("name = \"chat\"\nversion = 2.0\nprogram = \"bin/chat\"\n").substr(0, 23),
            "release.toml:2: version");
  EXPECT_NE(why(kGood + "args = \"-v\"\n").find("list of strings"), std::string::npos);
  EXPECT_NE(why(kGood + "args = [1]\n").find("list of strings"), std::string::npos);
  EXPECT_NE(why(kGood + "files = [1]\n").find("files must be a list of strings"),
            std::string::npos);
  EXPECT_NE(
      why("name = \"chat\"\nversion = \"2.0\"\nprogram = \"$BUNDLE/app.py\"\n")
          .find("release.toml:3: program is a path in the bundle as it is: leave out $BUNDLE/"),
      std::string::npos);
  EXPECT_EQ(why("name = [\n").substr(0, 13), "release.toml:");
}

TEST(BundleManifestTest, NoNameLeadsAnywhere) {
  for (const char* bad : {"..", ".", "../x", "a/b", "", ".hidden", "a b", "a\\u0000"}) {
    EXPECT_NE(why("name = \"" + std::string(bad) + "\"\nversion = \"1\"\nprogram = \"p\"\n"),
              "accepted")
        << bad;
    EXPECT_NE(why("name = \"a\"\nversion = \"" + std::string(bad) + "\"\nprogram = \"p\"\n"),
              "accepted")
        << bad;
  }
  for (const char* bad : {"../sh", "a/../../sh", "", ".", "a\\nb", "a\\u0000"}) {
    EXPECT_NE(why("name = \"a\"\nversion = \"1\"\nprogram = \"" + std::string(bad) + "\"\n"),
              "accepted")
        << bad;
  }
}

TEST(BundleManifestTest, PathsAreTakenApart) {
  EXPECT_EQ(*bundle_path("./a//b/./c", 100), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(bundle_path("./", 100)->empty());
  EXPECT_TRUE(bundle_path("..a/b..", 100));
  EXPECT_FALSE(bundle_path("a/..", 100));
  EXPECT_FALSE(bundle_path("./.handoff-release", 100));
  EXPECT_FALSE(bundle_path(".handoff-release/a", 100));
  EXPECT_TRUE(bundle_path("a/.handoff-release", 100));
  EXPECT_FALSE(bundle_path(std::string(101, 'a'), 100));
}

}  // namespace
}  // namespace handoff::supervisor
