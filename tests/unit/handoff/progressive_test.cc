#include "libhandoff/handoff/progressive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace handoff::io {
namespace {

TEST(ProgressiveTest, IsNotForServicesThatPutStates) {
  Declared declared;
  declared.lanes = 1;
  Registry registry(declared);
  registry.callbacks.late = registry.callbacks.moved = registry.callbacks.freeze_session =
      registry.callbacks.thaw_session = [](void*, std::uint64_t) {};
  EXPECT_FALSE(not_progressive(registry, 100));
  registry.told.put(1, {.state = "a"});
  const auto reason = not_progressive(registry, 100);
  ASSERT_TRUE(reason);
  EXPECT_THAT(reason->text, ::testing::HasSubstr("handoff_session_put()"));
  EXPECT_FALSE(not_progressive(registry, 0)) << "all at once";
}

}  // namespace
}  // namespace handoff::io
