// A piece of work on a thread of its own, whose end is heard on the loop or waited for.
#include "supervisor/loop/background.h"

#include <gtest/gtest.h>

#include <latch>
#include <optional>
#include <thread>

#include "supervisor/loop/thread_work.h"

namespace handoff::supervisor {
namespace {

class BackgroundTest : public testing::Test {
 protected:
  BackgroundTest() {
    EXPECT_EQ(uv_loop_init(&loop_), 0);
    background_.emplace(&loop_);
  }
  ~BackgroundTest() override {
    background_.reset();
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  uv_loop_t loop_{};
  std::optional<Background> background_;
};

TEST_F(BackgroundTest, TheEndIsHeardOnTheLoop) {
  std::thread::id worked;
  bool ended = false;
  background_->run([&] { worked = std::this_thread::get_id(); },
                   [&] {
                     EXPECT_FALSE(background_->busy()) << "the next may begin";
                     ended = true;
                     background_.reset();
                   });
  EXPECT_TRUE(background_->busy());
  uv_run(&loop_, UV_RUN_DEFAULT);
  EXPECT_TRUE(ended);
  EXPECT_NE(worked, std::thread::id());
  EXPECT_NE(worked, std::this_thread::get_id());
}

TEST_F(BackgroundTest, WhatWasWaitedForIsNotHeardAgain) {
  int ended = 0;
  background_->run([] {}, [&] { ++ended; });
  background_->finish();
  EXPECT_EQ(ended, 1);
  // The first one's wake-up may come while the second one works.
  std::latch goes_on(1);
  bool worked = false;
  background_->run([&] { goes_on.wait(), worked = true; },
                   [&] {
                     EXPECT_TRUE(worked);
                     ++ended;
                   });
  uv_run(&loop_, UV_RUN_NOWAIT);
  EXPECT_EQ(ended, 1);
  goes_on.count_down();
  background_->finish();
  background_->finish();
  EXPECT_EQ(ended, 2);
}

TEST_F(BackgroundTest, ItsOwnerWaitsForTheWorkAndHearsNoEnd) {
  bool worked = false;
  background_->run([&] { worked = true; }, [] { ADD_FAILURE() << "nobody is there any more"; });
  background_.reset();
  EXPECT_TRUE(worked);
}

// 1,024 is libuv's limit.
TEST_F(BackgroundTest, WaitsForNoThreadOfThePool) {
  constexpr int kMoreThanThePoolHas = 1'100;
  std::latch goes_on(1);
  for (int i = 0; i < kMoreThanThePoolHas; ++i) {
    ASSERT_TRUE(on_a_thread(
        &loop_, [&] { goes_on.wait(); }, [] {}));
  }
  bool ended = false;
  background_->run([] {}, [&] { ended = true; });
  background_->finish();
  EXPECT_TRUE(ended);
  goes_on.count_down();
  background_.reset();
  uv_run(&loop_, UV_RUN_DEFAULT);
}

}  // namespace
}  // namespace handoff::supervisor
