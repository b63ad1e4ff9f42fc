// Processes that start take their turns.
#include "supervisor/loop/start_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace handoff::supervisor {
namespace {

class StartQueueTest : public testing::Test {
 protected:
  StartQueueTest() {
    EXPECT_EQ(uv_loop_init(&loop_), 0);
    queue_.emplace(&loop_, 2);
  }
  ~StartQueueTest() override {
    queue_.reset();
    run();
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }
  // Until nobody waits any more.
  void run() { uv_run(&loop_, UV_RUN_DEFAULT); }

  void start(int number) {
    queue_->wait([this, number](StartQueue::Place place) {
      began_.push_back(number);
      places_[number] = std::move(place);
    });
  }

  uv_loop_t loop_{};
  std::optional<StartQueue> queue_;
  std::vector<int> began_;
  std::map<int, StartQueue::Place> places_;
};

TEST_F(StartQueueTest, SoManyBeginAtOnceAndTheOthersWait) {
  for (int number = 1; number <= 4; ++number) start(number);
  EXPECT_EQ(began_, (std::vector<int>{1, 2}));
}

TEST_F(StartQueueTest, APlaceThatIsGivenBackIsTheNextOnesInTheirOrder) {
  for (int number = 1; number <= 4; ++number) start(number);
  places_.erase(2);
  EXPECT_EQ(began_.size(), 2U) << "whoever gives it back may be in the middle of anything";
  uv_run(&loop_, UV_RUN_ONCE);
  EXPECT_EQ(began_, (std::vector<int>{1, 2, 3}));
  places_.clear();
  uv_run(&loop_, UV_RUN_ONCE);
  EXPECT_EQ(began_, (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(StartQueueTest, OneThatHangsHoldsUpNobodyForLong) {
  const Time before = now();
  for (int number = 1; number <= 5; ++number) start(number);
  run();
  EXPECT_EQ(began_, (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_GE(now() - before, 2 * StartQueue::kHold);
  places_.clear();  // late: they are others' by now
}

TEST_F(StartQueueTest, OneThatBeginsMayLetAnotherWait) {
  queue_->wait([this](const StartQueue::Place&) {
    began_.push_back(1);
    start(2);
    start(3);
  });
  run();
  EXPECT_EQ(began_, (std::vector<int>{1, 2, 3}));
}

TEST_F(StartQueueTest, WhatWaitsWhenTheQueueGoesIsNotCalled) {
  for (int number = 1; number <= 3; ++number) start(number);
  queue_.reset();
  run();
  EXPECT_EQ(began_, (std::vector<int>{1, 2}));
  places_.clear();  // with nobody to give them back to
}

TEST(StartQueuePlaces, ThereAreSomeOnAnyMachine) { EXPECT_GE(StartQueue::places_here(), 2U); }

}  // namespace
}  // namespace handoff::supervisor
