// The supervisor's side of mailboxes: who can write to one, and who is heard when it is answered.
#include "supervisor/processes/mailbox.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/process/mailbox.h"
#include "supervisor/processes/call.h"
#include "support/process/process.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;

class SupervisorsMailboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = make_mailbox();
    ASSERT_TRUE(made) << made.error().message;
    address_ = made->address;
    auto box = io::Mailbox::from(std::move(made->fd));
    ASSERT_TRUE(box) << box.error().message;
    box_ = std::move(*box);
  }
  // As anybody may who has seen its name.
  ssize_t write(const std::string& letter) const {
    sockaddr_un name{};
    socklen_t length = sizeof name;
    EXPECT_EQ(0, ::getsockname(box_.fd(), reinterpret_cast<sockaddr*>(&name), &length));
    const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ::sendto(fd.get(), letter.data(), letter.size(), MSG_DONTWAIT,
                    reinterpret_cast<const sockaddr*>(&name), length);
  }
  bool has_letter() const {
    char byte = 0;
    return ::recv(box_.fd(), &byte, 1, MSG_DONTWAIT) >= 0;
  }
  std::string key() const { return address_.substr(address_.find(':') + 1); }

  std::string address_;
  io::Mailbox box_;
};

TEST_F(SupervisorsMailboxTest, ALetterWithTheKeyBringsAControlSocket) {
  const auto ours = post_control_socket(address_);
  ASSERT_TRUE(ours) << ours.error().message;
  const auto theirs = box_.take();
  ASSERT_TRUE(theirs);
  ASSERT_EQ(2, ::send(theirs->get(), "hi", 2, 0));
  char text[8] = {};
  EXPECT_EQ(2, ::recv(ours->get(), text, sizeof text, MSG_DONTWAIT));
}

TEST_F(SupervisorsMailboxTest, WhatOthersWriteTakesNoPlaceAndIsNotSeen) {
  std::vector<std::string> letters{"",
                                   "x",
                                   std::string(32, 'a'),
                                   key().substr(1),
                                   key() + "0",
                                   key().substr(0, 31) + "x",
                                   "x" + key().substr(1)};
  for (int i = 0; i < 1000; ++i) {
    const std::string& letter = letters[static_cast<std::size_t>(i) % letters.size()];
    ASSERT_EQ(static_cast<ssize_t>(letter.size()), write(letter)) << "nothing is told";
  }
  EXPECT_FALSE(has_letter());
  EXPECT_TRUE(post_control_socket(address_));
  EXPECT_TRUE(has_letter());
}

TEST_F(SupervisorsMailboxTest, TheFilterStays) {
  const int off = 0;
  EXPECT_LT(::setsockopt(box_.fd(), SOL_SOCKET, SO_DETACH_FILTER, &off, sizeof off), 0);
  EXPECT_EQ(EPERM, errno);
}

TEST_F(SupervisorsMailboxTest, TwoHaveNothingInCommon) {
  const auto other = make_mailbox();
  ASSERT_TRUE(other);
  EXPECT_NE(other->address.substr(0, 32), address_.substr(0, 32));
  EXPECT_NE(other->address.substr(33), key());
  EXPECT_TRUE(is_mailbox(other->fd.get(), other->address));
  EXPECT_FALSE(is_mailbox(other->fd.get(), address_));
  EXPECT_TRUE(is_mailbox(box_.fd(), address_));
}

// By the name alone anybody's socket could be one.
TEST_F(SupervisorsMailboxTest, OneThatAnotherUserHasMadeIsNone) {
  ASSERT_EQ(0U, ::geteuid()) << "only root can give a socket away";
  struct stat before {};
  ASSERT_EQ(0, ::fstat(box_.fd(), &before));
  ASSERT_EQ(0, ::fchown(box_.fd(), 65534, static_cast<gid_t>(-1)));
  EXPECT_FALSE(is_mailbox(box_.fd(), address_));
}

TEST_F(SupervisorsMailboxTest, NobodyHoldsOneThatIsClosed) {
  box_ = io::Mailbox();
  const auto ours = post_control_socket(address_);
  ASSERT_FALSE(ours);
  EXPECT_EQ(-ECONNREFUSED, ours.error().code);
}

TEST_F(SupervisorsMailboxTest, WhatIsNoAddressIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("x"), std::string(":"), address_.substr(1), address_ + "0",
        address_.substr(0, 32), std::string(65, 'a'), address_ + ":", "/" + address_.substr(1)}) {
    const auto ours = post_control_socket(text);
    ASSERT_FALSE(ours) << text;
    EXPECT_EQ(-EINVAL, ours.error().code) << text;
  }
}

// ---- calling --------------------------------------------------------------------------------

class CallTest : public SupervisorsMailboxTest {
 protected:
  ~CallTest() override {
    call_.reset();
    uv_run(&loop_, UV_RUN_DEFAULT);  // the handles close
    uv_loop_close(&loop_);
  }
  void SetUp() override {
    SupervisorsMailboxTest::SetUp();
    ASSERT_EQ(0, uv_loop_init(&loop_));
  }
  void call(pid_t pid) {
    call_ = std::make_unique<Call>(&loop_, address_, pid, 0s, [this](UniqueFd fd) {
      answered_ = std::move(fd);
      call_.reset();
    });
    run_until_a_letter_is_there();
  }
  void run_until_a_letter_is_there() {
    // The loop may post it in the turn that would then wait for an answer.
    pollfd either[] = {{box_.fd(), POLLIN, 0}, {uv_backend_fd(&loop_), POLLIN, 0}};
    while ((either[0].revents & POLLIN) == 0) {
      uv_run(&loop_, UV_RUN_NOWAIT);
      ASSERT_GE(::poll(either, 2, uv_backend_timeout(&loop_)), 0);
    }
  }
  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  // Another process that has the mailbox, and answers.
  pid_t answer_from_a_child(UniqueFd control) {
    test::Process child([&] { return ::send(control.get(), "hi", 2, 0) == 2 ? 0 : 1; },
                        control.get());
    EXPECT_EQ(0, child.wait());
    return child.pid();
  }

  uv_loop_t loop_{};
  std::unique_ptr<Call> call_;
  std::optional<UniqueFd> answered_;
};

TEST_F(CallTest, ComesToTheProcessThatAnswers) {
  call(::getpid());
  auto control = box_.take();
  ASSERT_TRUE(control);
  turn();
  EXPECT_FALSE(answered_) << "it has not said anything yet";
  ASSERT_EQ(2, ::send(control->get(), "hi", 2, 0));
  turn();
  ASSERT_TRUE(answered_);
  char text[8] = {};
  EXPECT_EQ(2, ::recv(answered_->get(), text, sizeof text, MSG_DONTWAIT)) << "still to be read";
  int credentials = 1;
  socklen_t length = sizeof credentials;
  ASSERT_EQ(0, ::getsockopt(answered_->get(), SOL_SOCKET, SO_PASSCRED, &credentials, &length));
  EXPECT_EQ(0, credentials);
}

TEST_F(CallTest, AnotherProcessIsNotHeard) {
  call(::getpid());
  auto control = box_.take();
  ASSERT_TRUE(control);
  answer_from_a_child(std::move(*control));
  turn();
  EXPECT_FALSE(answered_);
}

TEST_F(CallTest, OneThatClosesWithoutAWordIsCalledAgain) {
  call(::getpid());
  ASSERT_TRUE(box_.take());  // and closes it
  run_until_a_letter_is_there();
  EXPECT_FALSE(answered_);
}

TEST_F(CallTest, ThatIsOverClosesItsEnd) {
  call(::getpid());
  call_.reset();
  EXPECT_FALSE(box_.take());
}

}  // namespace
}  // namespace handoff::supervisor
