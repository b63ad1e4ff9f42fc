// The supervisor's listeners: sockets that it binds, takes or refuses.
#include "supervisor/listeners/listeners.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "libhandoff/sys/socket.h"
#include "listener_tools.h"
#include "supervisor/listeners/socket_file.h"
#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

class AdoptTest : public testing::Test {
 protected:
  static bool adopts(const std::string& wanted, const UniqueFd& fd) {
    return Listener::adopt(named("public", wanted), copy_of(fd)).has_value();
  }
  test::TempDir scratch_;
};

TEST_F(AdoptTest, TakesASocketThatListensThere) {
  const UniqueFd fd = bound("tcp:127.0.0.1:0");
  const auto listener = Listener::adopt(named("public", address_of(fd)), copy_of(fd));
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(listener->name(), "public");
  EXPECT_EQ(listener->address(), address_of(fd));
  EXPECT_EQ(listener->inode(), io::identity_of(fd.get())->inode);
}

TEST_F(AdoptTest, AnyPortWillDoWhereAnyIsWanted) {
  const UniqueFd fd = bound("tcp:127.0.0.1:0");
  const auto listener = Listener::adopt(named("public", "tcp:127.0.0.1:0"), copy_of(fd));
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->address(), address_of(fd)) << "the real one";
  EXPECT_FALSE(adopts("tcp:127.0.0.2:0", fd));
}

TEST_F(AdoptTest, AnotherAddressIsRefusedInWords) {
  const UniqueFd fd = bound("tcp:127.0.0.1:0");
  const auto refused = Listener::adopt(named("public", "tcp:127.0.0.1:1"), copy_of(fd));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("listener public"), std::string::npos);
  EXPECT_NE(refused.error().message.find("tcp:127.0.0.1:1"), std::string::npos);
  EXPECT_FALSE(adopts("tcp:[::1]:0", fd));
  EXPECT_FALSE(adopts("udp:127.0.0.1:0", fd));
  EXPECT_FALSE(adopts("unix:" + (scratch_ / "s"), fd));
}

TEST_F(AdoptTest, ASocketThatDoesNotListenIsRefused) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&in), sizeof in), 0);
  const std::string address = address_of(fd);
  EXPECT_FALSE(adopts(address, fd));
  ASSERT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_TRUE(adopts(address, fd));
}

TEST_F(AdoptTest, WhatIsNoSocketIsRefused) {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(adopts("tcp:127.0.0.1:0", file));
  EXPECT_FALSE(Listener::adopt(named("public", "tcp:127.0.0.1:0"), UniqueFd()));
}

TEST_F(AdoptTest, UdpNeedNotListen) {
  const UniqueFd fd = bound("udp:127.0.0.1:0");
  EXPECT_TRUE(adopts(address_of(fd), fd));
  EXPECT_TRUE(adopts("udp:127.0.0.1:0", fd));
  EXPECT_FALSE(adopts("tcp:127.0.0.1:0", fd));
}

TEST_F(AdoptTest, AnIpv6AddressIsTheSameHoweverItIsWritten) {
  const UniqueFd fd = bound("tcp:[0:0:0:0:0:0:0:1]:0");
  const std::string real = address_of(fd);
  const std::string port = real.substr(real.rfind(':'));
  EXPECT_TRUE(adopts("tcp:[::1]" + port, fd));
  EXPECT_TRUE(adopts("tcp:[0000:0::0:1]" + port, fd));
  EXPECT_FALSE(adopts("tcp:[::]" + port, fd));
}

TEST_F(AdoptTest, AUnixSocketIsKnownByItsPathAndRemovesItAtTheEnd) {
  const std::string path = scratch_ / "s";
  const UniqueFd fd = bound("unix:" + path);
  EXPECT_FALSE(adopts("unix:" + (scratch_ / "other"), fd));
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(adopts("unix:" + path, fd));
  EXPECT_FALSE(std::filesystem::exists(path)) << "the listener that was adopted is gone";
}

TEST_F(AdoptTest, AnAbstractSocketIsKnownByItsName) {
  const std::string address = "unix:@handoff-adopt-" + std::to_string(::getpid());
  const UniqueFd fd = bound(address);
  EXPECT_TRUE(adopts(address, fd));
  EXPECT_FALSE(adopts(address + "x", fd));
}

class ListenersTest : public testing::Test {
 protected:
  Notify notify_;
  test::TempDir scratch_;
};

TEST_F(ListenersTest, BindsWhatIsMissingAndNothingTwice) {
  Listeners listeners("chat", {named("a", "tcp:127.0.0.1:0"), named("b", "tcp:127.0.0.1:0")},
                      notify_);
  EXPECT_TRUE(listeners.here().empty());
  ASSERT_TRUE(listeners.bind_missing());
  ASSERT_EQ(listeners.here().size(), 2U);
  const ino_t first = listeners.here()[0]->inode();
  ASSERT_TRUE(listeners.bind_missing());
  EXPECT_EQ(listeners.here()[0]->inode(), first);
  EXPECT_EQ(listeners.here()[0]->name(), "a");
  EXPECT_EQ(listeners.here()[1]->name(), "b");
  EXPECT_TRUE(listeners.has("a"));
  EXPECT_FALSE(listeners.has("c"));
  EXPECT_EQ(listeners.json().size(), 2U);
}

TEST_F(ListenersTest, OneThatCantBeBoundIsNamed) {
  const UniqueFd taken = bound("tcp:127.0.0.1:0");
  Listeners listeners("chat", {named("a", "tcp:127.0.0.1:0"), named("b", address_of(taken))},
                      notify_);
  const auto result = listeners.bind_missing();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("listener b"), std::string::npos) << result.error().message;
}

TEST_F(ListenersTest, TakesWhatIsShownAndWantedAndMissing) {
  const UniqueFd a = bound("tcp:127.0.0.1:0");
  Listeners listeners("chat", {named("a", address_of(a)), named("b", "tcp:127.0.0.1:0")}, notify_);
  std::vector<NamedFd> all;
  all.push_back(shown("a", a));
  all.push_back(shown("stranger", a));
  all.push_back(NamedFd{"b", "tcp:127.0.0.1:0"});  // named, but without an fd
  listeners.take_shown(all);
  ASSERT_EQ(listeners.here().size(), 1U);
  EXPECT_EQ(listeners.here()[0]->inode(), io::identity_of(a.get())->inode);
  for (const NamedFd& left : all) EXPECT_FALSE(left.fd.valid()) << left.name << " is closed";
}

TEST_F(ListenersTest, OneThatIsNotTheOneAnnouncedIsNotTaken) {
  const UniqueFd a = bound("tcp:127.0.0.1:0");
  Listeners listeners("chat", {named("a", "tcp:127.0.0.1:0")}, notify_);
  auto one = list(shown("a", a));
  ++one.front().inode;
  listeners.take_shown(one);
  EXPECT_TRUE(listeners.here().empty());
}

TEST_F(ListenersTest, DoesNotExchangeOneThatIsThere) {
  const UniqueFd first = bound("tcp:127.0.0.1:0");
  const UniqueFd second = bound("tcp:127.0.0.1:0");
  Listeners listeners("chat", {named("a", "tcp:127.0.0.1:0")}, notify_);
  auto one = list(shown("a", first));
  auto two = list(shown("a", second));
  listeners.take_shown(one);
  listeners.take_shown(two);
  ASSERT_EQ(listeners.here().size(), 1U);
  EXPECT_EQ(listeners.here()[0]->inode(), io::identity_of(first.get())->inode);
}

TEST_F(ListenersTest, WhatIsWantedAnewReplacesNothingThatIsStillWanted) {
  const std::string path = scratch_ / "s";
  const NamedAddress a = named("a", "tcp:127.0.0.1:0");
  const NamedAddress c = named("c", "tcp:127.0.0.1:0");
  Listeners listeners("chat", {a, named("b", "unix:" + path)}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  const ino_t kept = listeners.here()[0]->inode();
  const int fd = listeners.here()[0]->fd();
  listeners.want({c, a});
  ASSERT_EQ(listeners.here().size(), 1U) << "nothing is bound yet";
  EXPECT_EQ(listeners.here()[0]->inode(), kept);
  EXPECT_EQ(listeners.here()[0]->fd(), fd);
  EXPECT_FALSE(std::filesystem::exists(path)) << "the one that is not wanted any more is closed";
  ASSERT_TRUE(listeners.bind_missing());
  ASSERT_EQ(listeners.here().size(), 2U);
  EXPECT_EQ(listeners.here()[0]->name(), "c");
  EXPECT_EQ(listeners.here()[1]->inode(), kept);
  listeners.want({});
  EXPECT_TRUE(listeners.here().empty());
}

TEST_F(ListenersTest, OneThatListensElsewhereIsTakenAndMovesAtTheNextUpgrade) {
  const UniqueFd other = bound("tcp:127.0.0.2:0");
  Listeners listeners("chat", {named("a", "tcp:127.0.0.1:0")}, notify_);
  auto one = list(shown("a", other));
  listeners.take_shown(one);
  ASSERT_EQ(listeners.here().size(), 1U);
  EXPECT_EQ(listeners.here()[0]->address(), address_of(other));
  const auto donor = list(shown("a", other));
  ASSERT_TRUE(listeners.bind_for_heir(donor, true));
  EXPECT_EQ(listeners.for_heir(donor, true).moved.size(), 1U);
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Listeners others("chat", {named("b", "tcp:127.0.0.1:0")}, notify_);
  NamedFd none{"b", "tcp:127.0.0.1:0", io::identity_of(file.get())->inode,
               io::identity_of(file.get())->device};
  none.fd = copy_of(file);
  auto no_socket = list(std::move(none));
  others.take_shown(no_socket);
  EXPECT_TRUE(others.here().empty());
}

// ---- options

template <class Value = int>
Value option_of(int fd, int level, int option) {
  Value value{};
  socklen_t length = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, option, &value, &length), 0) << option;
  return value;
}
// How many may wait in a TCP listener.
int backlog_of(int fd) {
  return static_cast<int>(option_of<tcp_info>(fd, IPPROTO_TCP, TCP_INFO).tcpi_sacked);
}
struct stat file_at(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
  return info;
}
NamedAddress with(NamedAddress named, ListenerOptions options) {
  named.options = std::move(options);
  return named;
}

TEST_F(ListenersTest, ASocketIsBoundWithItsOptions) {
  ListenerOptions both;
  both.bind.v6only = false;
  both.bind.backlog = 7;
  ListenerOptions shared;
  shared.bind.reuseport = true;
  ListenerOptions of_device;
  of_device.bind.device = "lo";
  ListenerOptions free;
  free.bind.freebind = true;
  Listeners listeners("chat",
                      {named("plain", "tcp:[::1]:0"), with(named("both", "tcp:[::]:0"), both),
                       with(named("shared", "tcp:127.0.0.1:0"), shared),
                       with(named("device", "tcp:127.0.0.1:0"), of_device),
                       with(named("free", "tcp:192.0.2.7:0"), free)},
                      notify_);
  const auto result = listeners.bind_missing();
  ASSERT_TRUE(result) << result.error().message;
  const auto fd = [&](std::size_t i) { return listeners.here()[i]->fd(); };
  EXPECT_EQ(option_of(fd(0), IPPROTO_IPV6, IPV6_V6ONLY), 1);
  EXPECT_EQ(option_of(fd(0), SOL_SOCKET, SO_REUSEPORT), 0);
  EXPECT_GT(backlog_of(fd(0)), 7);
  EXPECT_EQ(option_of(fd(1), IPPROTO_IPV6, IPV6_V6ONLY), 0);
  EXPECT_EQ(backlog_of(fd(1)), 7);
  EXPECT_EQ(option_of(fd(2), SOL_SOCKET, SO_REUSEPORT), 1);
  char device[16] = {};
  socklen_t length = sizeof device;
  ASSERT_EQ(::getsockopt(fd(3), SOL_SOCKET, SO_BINDTODEVICE, device, &length), 0);
  EXPECT_STREQ(device, "lo");
  EXPECT_EQ(option_of(fd(4), IPPROTO_IP, IP_FREEBIND), 1) << "the host has no such address";
}

TEST_F(ListenersTest, AUnixSocketHasItsModeWhateverTheUmask) {
  const std::string path = scratch_ / "s";
  ListenerOptions options;
  options.bind.mode = 0626;
  const mode_t before = ::umask(0077);
  Listeners listeners("chat", {with(named("a", "unix:" + path), options)}, notify_);
  const auto result = listeners.bind_missing();
  ::umask(before);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(file_at(path).st_mode & 07777, 0626U);
}

TEST_F(ListenersTest, AnOwnerThatNobodyIsFailsTheBindAndLeavesNoPath) {
  const std::string path = scratch_ / "s";
  ListenerOptions options;
  options.user = "nobody-of-that-name";
  Listeners listeners("chat", {with(named("a", "unix:" + path), options)}, notify_);
  const auto result = listeners.bind_missing();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("listener a: there is no user \"nobody-of-that-name\""),
            std::string::npos)
      << result.error().message;
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ListenersTest, AnOwnerMayBeANumber) {
  ASSERT_EQ(::geteuid(), 0U) << "only root gives files away";
  const std::string path = scratch_ / "s";
  ListenerOptions options;
  options.user = "4711";
  options.group = "4712";
  Listeners listeners("chat", {with(named("a", "unix:" + path), options)}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  EXPECT_EQ(file_at(path).st_uid, 4711U);
  EXPECT_EQ(file_at(path).st_gid, 4712U);
}

TEST_F(ListenersTest, WhatCanBeSetLaterIsSetOnTheSocketThatIsThere) {
  const std::string path = scratch_ / "s";
  const NamedAddress unix = named("a", "unix:" + path);
  const NamedAddress tcp = named("b", "tcp:127.0.0.1:0");
  Listeners listeners("chat", {unix, tcp}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  const ino_t first = listeners.here()[0]->inode();
  const ino_t second = listeners.here()[1]->inode();
  ListenerOptions options;
  options.bind.mode = 0600;
  ListenerOptions fewer;
  fewer.bind.backlog = 3;
  listeners.want({with(unix, options), with(tcp, fewer)});
  ASSERT_EQ(listeners.here().size(), 2U);
  EXPECT_EQ(listeners.here()[0]->inode(), first);
  EXPECT_EQ(listeners.here()[1]->inode(), second);
  EXPECT_EQ(file_at(path).st_mode & 07777, 0600U);
  EXPECT_EQ(backlog_of(listeners.here()[1]->fd()), 3);
  listeners.want({unix, tcp});
  EXPECT_EQ(file_at(path).st_mode & 07777, 0600U) << "what is not named stays";
  EXPECT_GT(backlog_of(listeners.here()[1]->fd()), 3);
}

// Seen: only the log said so, and what had been set before counted for what was set.
TEST_F(ListenersTest, WhatCouldNotBeSetIsToldAndIsTriedAgain) {
  const NamedAddress plain = named("a", "unix:" + (scratch_ / "s"));
  Listeners listeners("chat", {plain}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  ListenerOptions options;
  options.user = "nobody-of-that-name";
  for (int i = 0; i < 2; ++i) {
    const auto not_done = listeners.want({with(plain, options)}, true);
    ASSERT_EQ(not_done.size(), 1U);
    EXPECT_EQ(not_done[0].name, "a");
    EXPECT_FALSE(not_done[0].done);
    EXPECT_NE(not_done[0].what.find("there is no user \"nobody-of-that-name\""), std::string::npos)
        << not_done[0].what;
  }
  EXPECT_TRUE(listeners.want({plain}, true).empty());
}

// The configuration has another address for a while. Seen: the mode that it had then was taken for
// that of the socket.
TEST_F(ListenersTest, WhatASocketWasSetWithIsNotWhatTheConfigurationHadBefore) {
  const std::string path = scratch_ / "s";
  const NamedAddress here = named("a", "unix:" + path);
  const NamedAddress there = named("a", "unix:" + path + "-2");
  ListenerOptions options;
  options.bind.mode = 0660;
  Listeners listeners("chat", {with(here, options)}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  options.bind.mode = 0600;
  listeners.want({with(there, options)}, true);
  EXPECT_EQ(file_at(path).st_mode & 07777, 0660U);
  listeners.want({with(here, options)}, true);
  EXPECT_EQ(file_at(path).st_mode & 07777, 0600U);
}

TEST_F(ListenersTest, WhatASocketIsBoundWithTakesAnotherSocket) {
  const NamedAddress tcp = named("a", "tcp:127.0.0.1:0");
  Listeners listeners("chat", {tcp}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  const ino_t first = listeners.here()[0]->inode();
  ListenerOptions shared;
  shared.bind.reuseport = true;
  listeners.want({with(tcp, shared)});
  EXPECT_TRUE(listeners.here().empty());
  ASSERT_TRUE(listeners.bind_missing());
  EXPECT_NE(listeners.here()[0]->inode(), first);
  EXPECT_EQ(option_of(listeners.here()[0]->fd(), SOL_SOCKET, SO_REUSEPORT), 1);
}

TEST_F(ListenersTest, WhatIsNoSocketIsNotGivenAway) {
  const std::string path = scratch_ / "s";
  Listeners listeners("chat", {named("a", "unix:" + path)}, notify_);
  ASSERT_TRUE(listeners.bind_missing());
  std::filesystem::remove(path);
  test::write_file(scratch_ / "secret", "");
  std::filesystem::permissions(scratch_ / "secret", std::filesystem::perms::owner_read);
  std::filesystem::create_symlink(scratch_ / "secret", path);
  ListenerOptions options;
  options.bind.mode = 0666;
  EXPECT_FALSE(dress(path, options));
  const auto not_done = listeners.want({with(named("a", "unix:" + path), options)});
  ASSERT_EQ(not_done.size(), 1U);
  EXPECT_NE(not_done[0].what.find("another file at " + path), std::string::npos)
      << not_done[0].what;
  EXPECT_EQ(file_at(scratch_ / "secret").st_mode & 07777, 0400U);
}

}  // namespace
}  // namespace handoff::supervisor
