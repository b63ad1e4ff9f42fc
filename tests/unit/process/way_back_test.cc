// How a service finds its next supervisor: when it tries, and which sockets it accepts.
#include "libhandoff/process/way_back.h"

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

class WayBackTest : public ::testing::Test {
 protected:
  // Listens in that folder. The folder's path may be longer than a sockaddr_un allows.
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
  static WayBack way_to(const std::string& path) {
    auto way = WayBack::make(path);
    EXPECT_TRUE(way) << way.error().message;
    return std::move(*way);
  }
  // Waits until the next attempt is due, and makes it.
  static std::optional<UniqueFd> try_once(WayBack& way) {
    pollfd due{way.fd(), POLLIN, 0};
    EXPECT_EQ(1, ::poll(&due, 1, 20'000));
    return way.attempt();
  }
  // How long the next attempt was put off.
  static core::Duration planned(const WayBack& way) {
    itimerspec left{};
    EXPECT_EQ(0, ::timerfd_gettime(way.fd(), &left));
    return left.it_value.tv_sec * 1'000'000 + left.it_value.tv_nsec / 1000;
  }

  test::TempDir dir_;
  const std::string folder_ = dir_.path();
};

TEST_F(WayBackTest, ThereIsNoneWithoutAPath) {
  const WayBack way = way_to("");
  EXPECT_FALSE(way.known());
}

TEST_F(WayBackTest, FindsWhoListensThere) {
  const UniqueFd listener = listen_in(folder_);
  WayBack way = way_to(folder_ + "/s");
  ASSERT_TRUE(way.known());
  way.plan(0);
  const auto fd = try_once(way);
  ASSERT_TRUE(fd);
  const UniqueFd other(::accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(other.valid());
  ASSERT_EQ(2, ::send(fd->get(), "hi", 2, 0));
  char text[8] = {};
  EXPECT_EQ(2, ::recv(other.get(), text, sizeof text, 0));
  EXPECT_EQ(0, planned(way)) << "nothing more is planned";
}

TEST_F(WayBackTest, DoesNotTryBeforeItIsTime) {
  const UniqueFd listener = listen_in(folder_);
  WayBack way = way_to(folder_ + "/s");
  EXPECT_FALSE(way.attempt()) << "nothing was planned";
  for (int i = 0; i < 20; ++i) way.plan(0);  // up to a second
  EXPECT_FALSE(way.attempt());
  EXPECT_LT(::accept(listener.get(), nullptr, nullptr), 0);
}

TEST_F(WayBackTest, GoesOnTryingWhereNobodyIs) {
  WayBack way = way_to(folder_ + "/s");
  way.plan(0);
  EXPECT_FALSE(try_once(way));
  EXPECT_FALSE(try_once(way));
  const UniqueFd listener = listen_in(folder_);
  EXPECT_TRUE(try_once(way));
}

TEST_F(WayBackTest, ASocketThatADeadOneLeftIsNobody) {
  listen_in(folder_).reset();
  WayBack way = way_to(folder_ + "/s");
  way.plan(0);
  EXPECT_FALSE(try_once(way));
  std::filesystem::remove(folder_ + "/s");
  const UniqueFd listener = listen_in(folder_);
  EXPECT_TRUE(try_once(way));
}

TEST_F(WayBackTest, ASocketOfAnotherKindIsNotTheRightOne) {
  const UniqueFd listener = listen_in(folder_, SOCK_STREAM);
  WayBack way = way_to(folder_ + "/s");
  way.plan(0);
  EXPECT_FALSE(try_once(way));
  EXPECT_GT(planned(way), 0) << "and another attempt is planned";
}

TEST_F(WayBackTest, APathMayBeLongerThanASocketsAddress) {
  std::string deep = folder_;
  while (deep.size() < 3 * sizeof(sockaddr_un::sun_path)) deep += "/" + std::string(50, 'd');
  std::filesystem::create_directories(deep);
  const UniqueFd listener = listen_in(deep);
  WayBack way = way_to(deep + "/s");
  way.plan(0);
  EXPECT_TRUE(try_once(way));
  // A path that just fits, and one that is a byte longer.
  for (const std::size_t size :
       {sizeof(sockaddr_un::sun_path) - 1, sizeof(sockaddr_un::sun_path)}) {
    const std::string edge = folder_ + "/" + std::string(size - folder_.size() - 3, 'e');
    std::filesystem::create_directory(edge);
    const UniqueFd there = listen_in(edge);
    ASSERT_EQ(size, (edge + "/s").size());
    WayBack to_edge = way_to(edge + "/s");
    to_edge.plan(0);
    EXPECT_TRUE(try_once(to_edge)) << size;
  }
}

TEST_F(WayBackTest, ALongPathToNowhereIsNowhere) {
  const std::string gone = folder_ + "/" + std::string(150, 'd') + "/s";
  WayBack way = way_to(gone);
  way.plan(0);
  EXPECT_FALSE(try_once(way));
  std::filesystem::create_directory(folder_ + "/d");
  WayBack no_name = way_to(folder_ + "/d/" + std::string(200, 'n'));
  no_name.plan(0);
  EXPECT_FALSE(try_once(no_name));
}

TEST_F(WayBackTest, WaitsLongerEachTimeUpToASecond) {
  WayBack way = way_to(folder_ + "/s");
  core::Duration expected = WayBack::kFirst;
  for (int i = 0; i < 10; ++i) {
    way.plan(0);
    EXPECT_LE(planned(way), expected);
    EXPECT_GT(planned(way), expected / 2) << "attempt " << i;
    expected = std::min(2 * expected, WayBack::kLongest);
  }
  EXPECT_EQ(WayBack::kLongest, expected);
  // A service that was thrown out at once goes on with its longer waits; one that stayed connected
  // begins with the shortest again.
  way.plan(10'000'000);
  EXPECT_LE(planned(way), WayBack::kFirst);
}

}  // namespace
}  // namespace handoff::io
