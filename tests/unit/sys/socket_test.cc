// Sockets: binding, identities, the kernel's byte counters, resets.
#include "libhandoff/sys/socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "support/process/files.h"
#include "support/process/own_network.h"
#include "support/process/process.h"

namespace handoff::io {
namespace {

core::Address parse(const std::string& text) {
  const auto address = core::parse_address(text);
  EXPECT_TRUE(address) << text;
  return *address;
}

TEST(SocketTest, BindsEveryKindAndTellsWhere) {
  const test::TempDir folder;
  const std::string path = "unix:" + (folder / "s");
  for (const std::string& text :
       {std::string("tcp:127.0.0.1:0"), std::string("tcp:[::1]:0"), std::string("udp:127.0.0.1:0"),
        path, "unix:@handoff-test-" + std::to_string(::getpid())}) {
    const auto fd = bind_address(parse(text));
    ASSERT_TRUE(fd) << fd.error().message;
    const auto bound = bound_address(fd->get());
    ASSERT_TRUE(bound) << text;
    const core::Address back = parse(*bound);
    EXPECT_EQ(parse(text).kind, back.kind);
    EXPECT_EQ(parse(text).host, back.host);
    if (back.kind != core::Address::Kind::kUnix) {
      EXPECT_NE(0, back.port);
    }
    EXPECT_TRUE((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_TRUE((::fcntl(fd->get(), F_GETFL) & O_NONBLOCK) != 0);
  }
}

TEST(SocketTest, WhetherAnAddressCanBeBoundIsToldWithoutTouchingIt) {
  const test::TempDir folder;
  const std::string path = folder / "s";
  const core::Address at_path = parse("unix:" + path);
  EXPECT_TRUE(can_bind(at_path));
  EXPECT_FALSE(std::filesystem::exists(path));
  for (const core::Address& address : {at_path, parse("tcp:127.0.0.1:0"),
                                       parse("unix:@handoff-test-" + std::to_string(::getpid()))}) {
    const auto holder = bind_address(address);
    ASSERT_TRUE(holder);
    const auto second = can_bind(parse(*bound_address(holder->get())));
    ASSERT_FALSE(second) << core::to_string(address);
    EXPECT_EQ(-EADDRINUSE, second.error().code);
  }
  EXPECT_TRUE(can_bind(at_path)) << "nobody listens there any more";
  EXPECT_TRUE(std::filesystem::exists(path)) << "and what is left stays for who binds";
  EXPECT_EQ(-ENOENT, can_bind(parse("unix:" + (folder / "none/s"))).error().code);
}

TEST(SocketTest, AnAddressInUseIsAnErrorThatNamesIt) {
  const auto first = bind_address(parse("tcp:127.0.0.1:0"));
  const auto bound = bound_address(first->get());
  const auto second = bind_address(parse(*bound));
  ASSERT_FALSE(second);
  EXPECT_EQ(-EADDRINUSE, second.error().code);
  EXPECT_NE(std::string::npos, second.error().message.find(*bound));
}

TEST(SocketTest, ReplacesAUnixPathThatNobodyListensOnAndNoOther) {
  const test::TempDir folder;
  const core::Address address = parse("unix:" + (folder / "s"));
  {
    const auto stale = bind_address(address);
    ASSERT_TRUE(stale);
  }
  const auto fresh = bind_address(address);
  ASSERT_TRUE(fresh) << fresh.error().message;
  EXPECT_EQ(-EADDRINUSE, bind_address(address).error().code);
  // A plain file in that place may be somebody's, so it is left alone.
  const core::Address taken = parse("unix:" + (folder / "file"));
  UniqueFd(::open((folder / "file").c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(-EEXIST, bind_address(taken).error().code);
  EXPECT_TRUE(std::filesystem::is_regular_file(folder / "file"));
}

TEST(SocketTest, AnIdentityIsThatOfTheSocketNotOfTheNumber) {
  const auto a = bind_address(parse("tcp:127.0.0.1:0"));
  const auto b = bind_address(parse("tcp:127.0.0.1:0"));
  const UniqueFd copy(::dup(a->get()));
  EXPECT_EQ(*identity_of(a->get()), *identity_of(copy.get()));
  EXPECT_FALSE(*identity_of(a->get()) == *identity_of(b->get()));
  EXPECT_FALSE(identity_of(-1));
}

// Seen: the interface was lost, so that a listener was never where the configuration said.
TEST(SocketTest, AnAddressOfOneLinkIsToldWithItsInterface) {
  ASSERT_EQ(::geteuid(), 0U) << "only root can have a network of its own";
  test::Process child([] {
    test::enter_own_network();
    const core::Address wanted = parse("tcp:[fe80::1%lo]:0");
    for (const char* same : {"tcp:[fe80::1%lo]:0", "tcp:[fe80::1%1]:0"}) {
      const auto fd = bind_address(parse(same));
      EXPECT_TRUE(fd) << fd.error().message;
      if (!fd) continue;
      const std::string bound = bound_address(fd->get()).value_or("");
      EXPECT_EQ(0U, bound.find("tcp:[fe80::1%lo]:")) << bound;
      EXPECT_TRUE(listens_at(fd->get(), wanted));
      EXPECT_TRUE(listens_at(fd->get(), parse(bound)));
      EXPECT_TRUE(listens_at(fd->get(), with_interface_name(parse(same))));
      EXPECT_FALSE(listens_at(fd->get(), parse("tcp:[fe80::1%eth0]:0")));
      const auto client = connect_address(parse(bound));
      EXPECT_TRUE(client) << client.error().message;
      if (!client) continue;
      pollfd made{client->get(), POLLOUT, 0};
      EXPECT_EQ(1, ::poll(&made, 1, 10000));
      EXPECT_EQ(bound, peer_address(client->get()));
    }
    core::BindOptions of_device;
    of_device.device = "lo";
    const auto fd = bind_address(parse("tcp:[fe80::1]:0"), of_device);
    EXPECT_TRUE(fd) << fd.error().message;
    EXPECT_TRUE(fd && listens_at(fd->get(), parse("tcp:[fe80::1]:0")));
    EXPECT_TRUE(bind_address(parse("tcp:[::1%lo]:0")));
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(0, child.wait());
}

// A number is a name that is looked up; one of nobody is left as it is.
TEST(SocketTest, ANumberOfAnInterfaceIsItsName) {
  EXPECT_EQ("fe80::1%lo", with_interface_name(parse("tcp:[fe80::1%1]:0")).host);
  EXPECT_EQ("fe80::1%lo", with_interface_name(parse("tcp:[fe80::1%lo]:0")).host);
  EXPECT_EQ("fe80::1%none", with_interface_name(parse("tcp:[fe80::1%none]:0")).host);
  EXPECT_EQ("::1", with_interface_name(parse("tcp:[::1]:0")).host);
  const auto none = bind_address(parse("tcp:[fe80::1%none]:0"));
  ASSERT_FALSE(none);
  EXPECT_EQ(-ENODEV, none.error().code);
  EXPECT_NE(std::string::npos, none.error().message.find("no network interface \"none\""));
}

class CountersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto listener = bind_address(parse("tcp:127.0.0.1:0"));
    sockaddr_in in{};
    socklen_t length = sizeof in;
    ASSERT_EQ(0, ::getsockname(listener->get(), reinterpret_cast<sockaddr*>(&in), &length));
    client_ = UniqueFd(::socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(0, ::connect(client_.get(), reinterpret_cast<sockaddr*>(&in), length));
    pollfd p{listener->get(), POLLIN, 0};
    ASSERT_EQ(1, ::poll(&p, 1, 10000));
    server_ = UniqueFd(::accept4(listener->get(), nullptr, nullptr, SOCK_NONBLOCK));
    ASSERT_TRUE(server_.valid());
  }
  void wait_readable(int fd) {
    pollfd p{fd, POLLIN, 0};
    ASSERT_EQ(1, ::poll(&p, 1, 10000));
  }
  UniqueFd client_, server_;
};

TEST_F(CountersTest, CountWhatTheApplicationReadNotWhatArrived) {
  const auto base = counters_of(server_.get());
  ASSERT_TRUE(base);
  ASSERT_EQ(10, ::send(client_.get(), "0123456789", 10, 0));
  wait_readable(server_.get());
  EXPECT_EQ(*base, *counters_of(server_.get()));
  char bytes[4];
  ASSERT_EQ(4, ::recv(server_.get(), bytes, 4, 0));
  EXPECT_EQ(base->consumed + 4, counters_of(server_.get())->consumed);
  EXPECT_EQ(base->written, counters_of(server_.get())->written);
}

TEST_F(CountersTest, CountWhatTheApplicationWroteAcknowledgedOrNot) {
  const auto base = counters_of(server_.get());
  ASSERT_EQ(7, ::send(server_.get(), "0123456", 7, 0));
  EXPECT_EQ(base->written + 7, counters_of(server_.get())->written);
  wait_readable(client_.get());
  EXPECT_EQ(base->written + 7, counters_of(server_.get())->written);
  // A duplicate of the fd has the same counters.
  const UniqueFd copy(::dup(server_.get()));
  EXPECT_EQ(*counters_of(server_.get()), *counters_of(copy.get()));
}

TEST_F(CountersTest, ThereAreNoneForWhatIsNoTcpSocket) {
  EXPECT_FALSE(counters_of(bind_address(parse("udp:127.0.0.1:0"))->get()));
  EXPECT_FALSE(counters_of(UniqueFd(::open("/dev/null", O_RDONLY)).get()));
  EXPECT_FALSE(counters_of(-1));
}

// Another process may have a duplicate.
TEST_F(CountersTest, AResetIsWhatTheClientSees) {
  const UniqueFd copy(::dup(server_.get()));
  reset_connection(server_.get());
  server_.reset();
  wait_readable(client_.get());
  char byte = 0;
  EXPECT_EQ(-1, ::recv(client_.get(), &byte, 1, 0));
  EXPECT_EQ(ECONNRESET, errno);
}

TEST_F(CountersTest, TheEndOfTheSendingHalfIsSeenAlthoughACopyIsOpen) {
  const UniqueFd copy(::dup(server_.get()));
  end_sending(server_.get());
  server_.reset();
  wait_readable(client_.get());
  char byte = 0;
  EXPECT_EQ(0, ::recv(client_.get(), &byte, 1, 0));
}

// One datagram socket may serve many sessions: dup(2) makes no socket of its own.
TEST(EndSendingTest, ADatagramSocketSendsOn) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(0, ::bind(socket.get(), reinterpret_cast<sockaddr*>(&self), sizeof self));
  socklen_t size = sizeof self;
  ASSERT_EQ(0, ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&self), &size));
  const auto send = [&] {
    return ::sendto(socket.get(), "x", 1, MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&self), size);
  };
  end_sending(socket.get());
  EXPECT_EQ(1, send());
  ASSERT_EQ(0, ::connect(socket.get(), reinterpret_cast<sockaddr*>(&self), size));
  end_sending(socket.get());
  EXPECT_EQ(1, ::send(socket.get(), "x", 1, MSG_NOSIGNAL));
}

}  // namespace
}  // namespace handoff::io
