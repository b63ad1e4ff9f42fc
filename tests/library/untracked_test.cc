// A session of which nobody says when it changes, and whose input has a position only while there
// is some: an heir must not keep input that the donor has consumed since it was sent.
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>

#include <handoff/handoff.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// Takes one connection, and consumes its input in the freeze.
class Consuming {
 public:
  explicit Consuming(bool extends) : extends_(extends) {}

  int run() {
    service_ = Service::open({.name = "test", .version = "1"});
    service_->listener("public", "tcp:127.0.0.1:0");
    service_->on_save([this](SessionId) {
      Saved saved("always the same");
      if (!input_.empty()) saved.input_at = Stretch{at_, input_};
      return saved;
    });
    service_->on_restore([this](Adopted a) {
      fd_ = a.take_fd();
      input_ = a.input();
    });
    service_->on_update([this](Adopted a) { input_ = a.input(); });
    if (extends_) {
      service_->on_extend([this](Adopted a) {
        input_.erase(0, a.input_dropped());
        input_ += a.input();
      });
    }
    service_->on_freeze([this] {
      at_ += input_.size();
      input_.clear();
    });
    service_->on_retired([this](std::uint64_t) { done_ = true; });
    service_->ready();
    if (fd_ >= 0) tell();
    while (!done_) turn();
    return 0;
  }

 private:
  void tell() const {
    const std::string text = "'" + input_ + "'\n";
    (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  void turn() {
    std::vector<pollfd> fds{{service_->fd(), POLLIN, 0}, {service_->named_fd("public"), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) return;
    if (fds[1].revents != 0 && fd_ < 0) {
      fd_ = ::accept4(service_->named_fd("public"), nullptr, nullptr, SOCK_CLOEXEC);
      service_->session_open(fd_);
      input_ = "abc";
      tell();
    }
    if (fds[0].revents != 0) service_->dispatch();
  }

  bool extends_;
  std::unique_ptr<Service> service_;
  int fd_ = -1;
  std::uint64_t at_ = 0;
  std::string input_;
  bool done_ = false;
};

class UntrackedTest : public ::testing::TestWithParam<bool> {};

TEST_P(UntrackedTest, WhatWasConsumedInTheFreezeDoesNotComeAgain) {
  ServiceProcess donor(1, [] { return Consuming(false).run(); });
  LineClient client(donor.await_message<v1::Owner>(Type::kOwner).named(0).address());
  EXPECT_EQ("'abc'\n", client.line());
  auto heir = start_heir(donor, 2, [] { return Consuming(GetParam()).run(); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("''\n", client.line());
  EXPECT_EQ(0, donor.wait());
}

INSTANTIATE_TEST_SUITE_P(Heirs, UntrackedTest, ::testing::Bool(),
                         [](const auto& heir) { return heir.param ? "Extends" : "Updates"; });

}  // namespace
}  // namespace handoff::test
