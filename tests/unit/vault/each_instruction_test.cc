// A writer that is killed after each single instruction: another process steps through its commits,
// and reads the vault after each step as if that had been the last.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <string>

#include "lane_fixture.h"

namespace handoff::test {
namespace {

class VaultStepsTest : public LaneTest {
 protected:
  VaultStepsTest() {
    std::tie(a_client_, a_) = tcp_pair();
    std::tie(b_client_, b_) = tcp_pair();
  }
  // Its writer is the child's; a Span is not inherited.
  template <class F>
  void in_child(F&& turns) {
    writer_.reset();
    child_ = ::fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      auto span = map(true);
      auto writer = vault::Writer::make(std::move(*span));
      writer_ = std::move(*writer);
      for (const auto& [id, fd] : {std::pair{1, a_.get()}, std::pair{2, b_.get()}}) {
        writer_->open(static_cast<std::uint64_t>(id), 0, fd, true);
      }
      turns(0);
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) ::_exit(2);
      (void)::raise(SIGSTOP);
      for (int turn = 1; turn <= 3; ++turn) turns(turn);
      ::_exit(0);
    }
  }
  std::string state_of(const vault::Reader& reader, std::size_t which) const {
    const int fd = which == 0 ? a_.get() : b_.get();
    auto got = reader.recover(reader.sessions().at(which), *vault::position_at(fd));
    if (!got) return got.error().message;
    return got->state + "|" + got->output;
  }

  UniqueFd a_client_, a_, b_client_, b_;
  pid_t child_ = -1;
};

// What a chat does: one turn changes two sessions, and both have it or neither.
TEST_F(VaultStepsTest, EachTurnIsWholeOrUndoneInAllSessions) {
  const auto size = [](int turn) { return static_cast<std::size_t>(turn) * 700 + 10; };
  const auto text = [&](int turn) {
    return std::string(size(turn), static_cast<char>('a' + turn));
  };
  std::string whole[4];
  for (int turn = 0; turn < 4; ++turn) whole[turn] = (turn > 0 ? whole[turn - 1] : "") + text(turn);
  in_child([&](int turn) {
    for (const std::uint64_t id : {1U, 2U}) {
      const auto has = writer_->has_output(id);
      std::string_view tail = whole[turn];
      if (has.end > has.from) tail.remove_prefix(has.end);
      writer_->put(id, {.state = text(turn), .output = {0, whole[turn].size(), tail}});
    }
    writer_->commit();
  });
  int status = 0;
  ASSERT_EQ(child_, ::waitpid(child_, &status, 0));
  ASSERT_FALSE(WIFEXITED(status)) << "this test needs ptrace(2), which is not allowed here";
  int now = 0;
  std::uint64_t steps = 0;
  for (;; ++steps) {
    const vault::Reader reader(read_.bytes());
    ASSERT_EQ(2U, reader.sessions().size()) << steps;
    const std::string first = state_of(reader, 0);
    const std::string second = state_of(reader, 1);
    if (now < 3 && first == text(now + 1) + "|" + whole[now + 1]) ++now;
    ASSERT_EQ(text(now) + "|" + whole[now], first) << "after " << steps << " instructions";
    ASSERT_EQ(first, second) << "after " << steps << " instructions";
    ASSERT_EQ(0, ::ptrace(PTRACE_SINGLESTEP, child_, nullptr, nullptr));
    ASSERT_EQ(child_, ::waitpid(child_, &status, 0));
    if (WIFEXITED(status)) break;
  }
  EXPECT_EQ(0, WEXITSTATUS(status));
  EXPECT_EQ(3, now);
  EXPECT_LT(1000U, steps);
}

}  // namespace
}  // namespace handoff::test
