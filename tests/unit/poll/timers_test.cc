#include "libhandoff/poll/timers.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace handoff::poll {
namespace {

class TimersTest : public ::testing::Test {
 protected:
  std::uint64_t add(std::uint64_t now, std::uint64_t ms, bool every, std::function<void()> f) {
    functions_.push_back(std::make_unique<std::function<void()>>(std::move(f)));
    return timers_.add(
        now, ms, every, [](void* user) { (*static_cast<std::function<void()>*>(user))(); },
        functions_.back().get());
  }
  std::uint64_t add(std::uint64_t now, std::uint64_t ms, bool every, const std::string& name) {
    return add(now, ms, every, [this, name] { ran_ += name; });
  }
  std::string run(std::uint64_t now) {
    ran_.clear();
    timers_.run(now);
    return ran_;
  }
  Timers timers_;
  std::string ran_;

 private:
  std::vector<std::unique_ptr<std::function<void()>>> functions_;
};

TEST_F(TimersTest, EachRunsOnceAndInTheOrderInWhichTheyAreDue) {
  add(100, 50, false, "b");
  add(100, 10, false, "a");
  add(100, 50, false, "c");
  EXPECT_EQ(110U, timers_.next());
  EXPECT_EQ("", run(109));
  EXPECT_EQ("a", run(110));
  EXPECT_EQ(150U, timers_.next());
  EXPECT_EQ("bc", run(1000));
  EXPECT_TRUE(timers_.empty());
  EXPECT_EQ("", run(2000));
}

TEST_F(TimersTest, OneThatRepeatsDoesNotDriftAndLeavesOutWhatALateLoopMissed) {
  add(100, 10, true, "a");
  EXPECT_EQ("a", run(117));
  EXPECT_EQ(120U, timers_.next());
  EXPECT_EQ("a", run(155)) << "once, and not four times";
  EXPECT_EQ(160U, timers_.next());
}

TEST_F(TimersTest, ACancelledOneDoesNotRunAndItsIdIsGone) {
  const auto a = add(0, 10, false, "a");
  const auto b = add(0, 10, false, "b");
  EXPECT_NE(0U, a);
  EXPECT_TRUE(timers_.cancel(a));
  EXPECT_FALSE(timers_.cancel(a));
  EXPECT_EQ("b", run(10));
  EXPECT_FALSE(timers_.cancel(b)) << "it has run";
  EXPECT_FALSE(timers_.cancel(12345));
}

TEST_F(TimersTest, OneMayCancelAnotherThatIsDueAndItself) {
  std::uint64_t other = 0, own = 0;
  own = add(0, 10, true, [&] {
    ran_ += "x";
    EXPECT_TRUE(timers_.cancel(other));
    EXPECT_TRUE(timers_.cancel(own));
  });
  other = add(0, 10, false, "other");
  EXPECT_EQ("x", run(10));
  EXPECT_TRUE(timers_.empty());
}

TEST_F(TimersTest, OneThatIsAddedMeanwhileWaitsForTheNextRun) {
  add(0, 10, false, [&] {
    ran_ += "a";
    add(10, 0, false, "b");
  });
  EXPECT_EQ("a", run(10));
  EXPECT_EQ("b", run(10));
}

TEST_F(TimersTest, TimesAtTheEndOfTimeAreFarAway) {
  add(UINT64_MAX - 5, UINT64_MAX, false, "a");
  add(100, UINT64_MAX, true, "b");
  EXPECT_EQ(UINT64_MAX, timers_.next());
  EXPECT_EQ("", run(UINT64_MAX - 1));
  EXPECT_EQ("ab", run(UINT64_MAX));
}

TEST_F(TimersTest, ARepeatedTimerOfNoTimeRunsOnceARun) {
  add(5, 0, true, "a");
  EXPECT_EQ("a", run(5));
  EXPECT_EQ("", run(5));
  EXPECT_EQ("a", run(6));
}

}  // namespace
}  // namespace handoff::poll
