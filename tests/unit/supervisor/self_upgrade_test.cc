// The exec by which another program takes this process over, where it does not come to that.
#include "supervisor/self/self_upgrade.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "libhandoff/base/unique_fd.h"

namespace handoff::supervisor {
namespace {

TEST(SelfUpgradeTest, AFailureLeavesEachFdAsItWas) {
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  const UniqueFd kept(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  {
    const SelfUpgrade upgrade(&loop, [](const std::string&) {});
    EXPECT_EQ(upgrade.take_over({{"a", kept.get()}, {"services", 1'000'000}}),
              "services: Bad file descriptor");
    EXPECT_EQ(::fcntl(kept.get(), F_GETFD), FD_CLOEXEC) << "else children would inherit it";
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);
}

}  // namespace
}  // namespace handoff::supervisor
