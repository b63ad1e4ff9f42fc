// What a thread has done is followed up on the loop, one piece a turn.
#include "supervisor/loop/thread_work.h"

#include <gtest/gtest.h>

#include <latch>
#include <vector>

namespace handoff::supervisor {
namespace {

class ThreadWorkTest : public testing::Test {
 protected:
  ThreadWorkTest() {
    EXPECT_EQ(uv_loop_init(&loop_), 0);
    EXPECT_EQ(uv_check_init(&loop_, &turns_), 0);
    turns_.data = this;
    uv_check_start(&turns_,
                   [](uv_check_t* check) { ++static_cast<ThreadWorkTest*>(check->data)->turn_; });
    uv_unref(reinterpret_cast<uv_handle_t*>(&turns_));
  }
  ~ThreadWorkTest() override {
    uv_close(reinterpret_cast<uv_handle_t*>(&turns_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  uv_loop_t loop_{};
  uv_check_t turns_{};
  int turn_ = 0;
};

TEST_F(ThreadWorkTest, ThoseThatEndAtOnceHaveATurnEach) {
  constexpr int kWorks = 20;
  std::latch all_done(kWorks);
  std::vector<int> turns;
  for (int i = 0; i < kWorks; ++i) {
    ASSERT_TRUE(on_a_thread(
        &loop_, [&] { all_done.count_down(); }, [&] { turns.push_back(turn_); }));
  }
  all_done.wait();
  uv_run(&loop_, UV_RUN_DEFAULT);
  ASSERT_EQ(turns.size(), static_cast<std::size_t>(kWorks)) << "the loop waits for all of them";
  for (std::size_t i = 1; i < turns.size(); ++i) EXPECT_LT(turns[i - 1], turns[i]) << i;
}

TEST_F(ThreadWorkTest, OneMayBeginAnother) {
  std::vector<int> order;
  ASSERT_TRUE(on_a_thread(
      &loop_, [] {},
      [&] {
        order.push_back(1);
        EXPECT_TRUE(on_a_thread(
            &loop_, [] {}, [&] { order.push_back(2); }));
      }));
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace handoff::supervisor
