#include "supervisor/releases/run_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "libhandoff/base/unique_fd.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

std::string of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return run_path_of(file.get());
}

TEST(RunPathTest, OfWhatHasNoneIsEmpty) {
  const test::TempDir scratch;
  EXPECT_EQ(of("/bin/true"), "");
  EXPECT_EQ(of("/nowhere"), "");
  for (const std::string& text :
       {std::string(), std::string("#!/bin/sh\n"), std::string("\177ELF")}) {
    test::write_file(scratch / "file", text);
    EXPECT_EQ(of(scratch / "file"), "");
  }
}

// A file that is cut off or was written over anywhere is read as far as it goes, and no further.
TEST(RunPathTest, BelievesNothing) {
  const test::TempDir scratch;
  const std::string whole = test::read_file("/bin/true");
  for (std::size_t at = 0; at < 1024; ++at) {
    std::string text = whole;
    text[at] = static_cast<char>(0xff);
    test::write_file(scratch / "file", text);
    (void)of(scratch / "file");
    test::write_file(scratch / "file", whole.substr(0, at));
    EXPECT_EQ(of(scratch / "file"), "");
  }
}

}  // namespace
}  // namespace handoff::supervisor
