// The supervisor in miniature of the library's own tests, with kv as its services.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "deployment.h"
#include "harness.h"

namespace kv::test {
namespace {

using handoff::protocol::Type;
using handoff::test::Child;

class Miniature : public Deployment {
 public:
  explicit Miniature(int release) {
    owner_ = std::make_unique<Child>(++generation_, [release] { return become(release); });
    note_owner();
  }
  void upgrade(int release) override {
    auto pair = handoff::io::Channel::make_pair();
    Child::Handoff handoff;
    handoff.channel = std::move(pair->second);
    handoff.peer_pidfd = owner_->pidfd();
    auto heir = std::make_unique<Child>(
        ++generation_, [release] { return become(release); }, &handoff);
    heir->await_message<handoff::v1::Register>(Type::kRegister);
    owner_->donate(std::move(pair->first), heir->pidfd());
    std::swap(owner_, heir);
    note_owner();
    const int status = heir->wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  std::string address() const override { return address_; }

 private:
  static int become(int release) {
    const int control = std::atoi(std::getenv("HANDOFF_FD"));
    ::fcntl(control, F_SETFD, 0);
    const std::string binary = server_binary(release);
    ::execl(binary.c_str(), binary.c_str(), "--name", "test", "--listen", "tcp:127.0.0.1:0",
            nullptr);
    return 127;
  }
  void note_owner() {
    const auto owner = owner_->await_message<handoff::v1::Owner>(Type::kOwner);
    EXPECT_EQ(owner.lost(), 0u);
    if (owner.named_size() > 0) address_ = owner.named(0).address();
  }

  std::uint64_t generation_ = 0;
  std::unique_ptr<Child> owner_;
  std::string address_;
};

}  // namespace

std::unique_ptr<Deployment> deploy_in_miniature(int release) {
  return std::make_unique<Miniature>(release);
}

}  // namespace kv::test
