#include "libhandoff/process/reconnect.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "support/process/files.h"

namespace handoff::io {
namespace {

class ReconnectTest : public ::testing::Test {
 protected:
  // Binds in that folder, however long its path is.
  static UniqueFd listen_in(const std::string& folder, int type = SOCK_SEQPACKET) {
    UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const std::string back = std::filesystem::current_path();
    std::filesystem::current_path(folder);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "s");
    EXPECT_EQ(0, ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    std::filesystem::current_path(back);
    EXPECT_EQ(0, ::listen(fd.get(), 8));
    return fd;
  }
  static Reconnect reconnect_to(const std::string& path) {
    auto reconnect = Reconnect::make(path);
    EXPECT_TRUE(reconnect) << reconnect.error().message;
    return std::move(*reconnect);
  }
  // Waits until it is due, and tries.
  static std::optional<UniqueFd> try_once(Reconnect& reconnect) {
    pollfd due{reconnect.fd(), POLLIN, 0};
    EXPECT_EQ(1, ::poll(&due, 1, 20'000));
    return reconnect.attempt();
  }
  // What the next attempt was put off by.
  static core::Duration planned(const Reconnect& reconnect) {
    itimerspec left{};
    EXPECT_EQ(0, ::timerfd_gettime(reconnect.fd(), &left));
    return left.it_value.tv_sec * 1'000'000 + left.it_value.tv_nsec / 1000;
  }

  test::TempDir dir_;
  const std::string folder_ = dir_.path();
};

TEST_F(ReconnectTest, ThereIsNoneWithoutAPath) {
  const Reconnect reconnect = reconnect_to("");
  EXPECT_FALSE(reconnect.known());
}

TEST_F(ReconnectTest, FindsWhoListensThere) {
  const UniqueFd listener = listen_in(folder_);
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  ASSERT_TRUE(reconnect.known());
  reconnect.plan(0);
  const auto fd = try_once(reconnect);
  ASSERT_TRUE(fd);
  const UniqueFd other(::accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(other.valid());
  ASSERT_EQ(2, ::send(fd->get(), "hi", 2, 0));
  char text[8] = {};
  EXPECT_EQ(2, ::recv(other.get(), text, sizeof text, 0));
  EXPECT_EQ(0, planned(reconnect)) << "nothing more is planned";
}

TEST_F(ReconnectTest, DoesNotTryBeforeItIsTime) {
  const UniqueFd listener = listen_in(folder_);
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  EXPECT_FALSE(reconnect.attempt()) << "nothing was planned";
  for (int i = 0; i < 20; ++i) reconnect.plan(0);  // up to a second
  EXPECT_FALSE(reconnect.attempt());
  EXPECT_LT(::accept(listener.get(), nullptr, nullptr), 0);
}

TEST_F(ReconnectTest, GoesOnTryingWhereNobodyIs) {
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  reconnect.plan(0);
  EXPECT_FALSE(try_once(reconnect));
  EXPECT_FALSE(try_once(reconnect));
  const UniqueFd listener = listen_in(folder_);
  EXPECT_TRUE(try_once(reconnect));
}

TEST_F(ReconnectTest, ASocketThatADeadOneLeftIsNobody) {
  listen_in(folder_).reset();
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  reconnect.plan(0);
  EXPECT_FALSE(try_once(reconnect));
  std::filesystem::remove(folder_ + "/s");
  const UniqueFd listener = listen_in(folder_);
  EXPECT_TRUE(try_once(reconnect));
}

TEST_F(ReconnectTest, ASocketOfAnotherKindIsNotTheRightOne) {
  const UniqueFd listener = listen_in(folder_, SOCK_STREAM);
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  reconnect.plan(0);
  EXPECT_FALSE(try_once(reconnect));
  EXPECT_GT(planned(reconnect), 0) << "and another attempt is planned";
}

TEST_F(ReconnectTest, APathMayBeLongerThanASocketsAddress) {
  std::string deep = folder_;
  while (deep.size() < 3 * sizeof(sockaddr_un::sun_path)) deep += "/" + std::string(50, 'd');
  std::filesystem::create_directories(deep);
  const UniqueFd listener = listen_in(deep);
  Reconnect reconnect = reconnect_to(deep + "/s");
  reconnect.plan(0);
  EXPECT_TRUE(try_once(reconnect));
  // Exactly as long as fits, and one more.
  for (const std::size_t size :
       {sizeof(sockaddr_un::sun_path) - 1, sizeof(sockaddr_un::sun_path)}) {
    const std::string edge = folder_ + "/" + std::string(size - folder_.size() - 3, 'e');
    std::filesystem::create_directory(edge);
    const UniqueFd there = listen_in(edge);
    ASSERT_EQ(size, (edge + "/s").size());
    Reconnect to_edge = reconnect_to(edge + "/s");
    to_edge.plan(0);
    EXPECT_TRUE(try_once(to_edge)) << size;
  }
}

TEST_F(ReconnectTest, ALongPathToNowhereIsNowhere) {
  const std::string gone = folder_ + "/" + std::string(150, 'd') + "/s";
  Reconnect reconnect = reconnect_to(gone);
  reconnect.plan(0);
  EXPECT_FALSE(try_once(reconnect));
  std::filesystem::create_directory(folder_ + "/d");
  Reconnect no_name = reconnect_to(folder_ + "/d/" + std::string(200, 'n'));
  no_name.plan(0);
  EXPECT_FALSE(try_once(no_name));
}

TEST_F(ReconnectTest, WaitsLongerEachTimeUpToASecond) {
  Reconnect reconnect = reconnect_to(folder_ + "/s");
  core::Duration expected = Reconnect::kFirst;
  for (int i = 0; i < 10; ++i) {
    reconnect.plan(0);
    EXPECT_LE(planned(reconnect), expected);
    EXPECT_GT(planned(reconnect), expected / 2) << "attempt " << i;
    expected = std::min(2 * expected, Reconnect::kLongest);
  }
  EXPECT_EQ(Reconnect::kLongest, expected);
  // One that was let in and thrown out at once goes on where it was; one that stayed begins anew.
  reconnect.plan(10'000'000);
  EXPECT_LE(planned(reconnect), Reconnect::kFirst);
}

}  // namespace
}  // namespace handoff::io
