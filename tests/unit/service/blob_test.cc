#include "libhandoff/service/blob.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>

#include "libhandoff/service/registry.h"

namespace handoff::io {
namespace {

// Its save() looks at no result, and returns 0.
TEST(BlobTest, AnAppendThatFailedIsNotSentShort) {
  Blob blob(
      "small",
      [](void*, handoff_buffer_t* out) {
        handoff_buffer_append(out, "half", 4);
        handoff_buffer_append(out, nullptr, 4);
        return 0;
      },
      [](void*, const void*, size_t) { return 0; }, nullptr);
  const handoff_section_ops ops = Blob::ops();
  EXPECT_EQ(0, ops.begin(&blob, 1));
  std::array<char, 64> chunk{};
  EXPECT_EQ(-EINVAL, ops.read(&blob, 0, chunk.data(), chunk.size()));
}

}  // namespace
}  // namespace handoff::io
