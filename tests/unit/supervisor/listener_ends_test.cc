// The end of a listener that has moved: nobody new comes, and nobody who has come is turned away.
#include "supervisor/listeners/listener_ends.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "support/clients/sockets.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

class ListenerEndsTest : public testing::Test {
 protected:
  ~ListenerEndsTest() override {
    ends_.reset();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  }
  static Listener open(const std::string& address) {
    auto listener = Listener::open({"public", *core::parse_address(address)});
    EXPECT_TRUE(listener);
    return std::move(*listener);
  }
  // The process's fd of it.
  static UniqueFd copy_of(const Listener& one) {
    return UniqueFd(::fcntl(one.fd(), F_DUPFD_CLOEXEC, 0));
  }
  // Turns the loop until the listener has ended.
  void wait() {
    while (!ends_->all().empty()) uv_run(uv_default_loop(), UV_RUN_ONCE);
  }
  static int accept_from(const UniqueFd& listener) {
    const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
  }

  static constexpr Duration kHandshakes = std::chrono::milliseconds(300);
  test::TempDir scratch_;
  std::optional<ListenerEnds> ends_{std::in_place, uv_default_loop(), "chat", kHandshakes};
};

TEST_F(ListenerEndsTest, WhoHasComeIsAcceptedAndThenTheProcessIsTold) {
  Listener listener = open("tcp:127.0.0.1:0");
  const UniqueFd its = copy_of(listener);
  const int port = test::port_of(its.get());
  const UniqueFd client = test::connect_tcp(port);
  ASSERT_TRUE(client.valid());
  ends_->end(std::move(listener));
  ASSERT_EQ(ends_->all().size(), 1U);
  const UniqueFd late(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto address = test::loopback(port);
  EXPECT_LT(::connect(late.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(errno, EINPROGRESS);
  const UniqueFd accepted(accept_from(its));
  EXPECT_TRUE(accepted.valid());
  EXPECT_EQ(accept_from(its), -EAGAIN) << "its SYN was dropped";
  wait();
  EXPECT_EQ(accept_from(its), -EINVAL);
  pollfd told{its.get(), POLLIN, 0};
  EXPECT_GT(::poll(&told, 1, 0), 0) << "it is woken";
  EXPECT_FALSE(test::connect_tcp(port).valid());
  test::send_all(client.get(), "x");
  char byte = 0;
  EXPECT_EQ(::recv(accepted.get(), &byte, 1, 0), 1) << "what was accepted goes on";
}

// A full queue takes nobody in whose handshake is under way: such a one gets in once there is room.
TEST_F(ListenerEndsTest, HandshakesAreWaitedForFromTheLastMomentThatSomebodyWaited) {
  Listener listener = open("tcp:127.0.0.1:0");
  const UniqueFd its = copy_of(listener);
  const UniqueFd client = test::connect_tcp(test::port_of(its.get()));
  ends_->end(std::move(listener));
  for (const Time begun = now(); now() < begun + 2 * kHandshakes;) {
    uv_run(uv_default_loop(), UV_RUN_ONCE);
    ASSERT_EQ(ends_->all().size(), 1U) << "somebody waits";
  }
  const Time waited = now();
  uv_run(uv_default_loop(), UV_RUN_ONCE);
  const UniqueFd accepted(accept_from(its));
  EXPECT_TRUE(accepted.valid());
  wait();
  EXPECT_GE(now(), waited + kHandshakes);
  EXPECT_EQ(accept_from(its), -EINVAL);
}

TEST_F(ListenerEndsTest, AUnixSocketLosesItsPathFirst) {
  const std::string path = scratch_ / "s";
  Listener listener = open("unix:" + path);
  const UniqueFd its = copy_of(listener);
  const UniqueFd client = test::connect_unix(path, SOCK_STREAM);
  ends_->end(std::move(listener));
  EXPECT_FALSE(std::filesystem::exists(path));
  const UniqueFd accepted(accept_from(its));
  EXPECT_TRUE(accepted.valid());
  wait();
  EXPECT_EQ(accept_from(its), -EAGAIN);
  pollfd told{its.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&told, 1, 0), 0) << "a loop would spin";
}

TEST_F(ListenerEndsTest, ItsEndFreesTheAddress) {
  Listener listener = open("tcp:127.0.0.1:0");
  const std::string address = listener.address();
  const UniqueFd its = copy_of(listener);
  ends_->end(std::move(listener));
  wait();
  const auto again = Listener::open({"public", *core::parse_address(address)});
  EXPECT_TRUE(again) << again.error().message;
}

TEST_F(ListenerEndsTest, ADatagramSocketWakesNobody) {
  Listener listener = open("udp:127.0.0.1:0");
  const UniqueFd its = copy_of(listener);
  ends_->end(std::move(listener));
  wait();
  pollfd told{its.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&told, 1, 0), 0) << "a loop would spin";
}

}  // namespace
}  // namespace handoff::supervisor
