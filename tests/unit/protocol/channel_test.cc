// A channel over a real socket: frames, fds, full sockets, dead peers, malformed messages.
#include "libhandoff/protocol/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using protocol::Type;
using Sent = Channel::Sent;
using Received = Channel::Received;

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() : left_(UniqueFd()), right_(UniqueFd()) {
    auto pair = Channel::make_pair();
    EXPECT_TRUE(pair);
    left_ = Channel(std::move(pair->first));
    right_ = Channel(std::move(pair->second));
  }
  Received receive() {
    const auto received = right_.recv(message_);
    EXPECT_TRUE(received) << (received ? "" : received.error().message);
    return received.value_or(Received::kClosed);
  }
  Error receive_error() {
    const auto received = right_.recv(message_);
    EXPECT_FALSE(received);
    return received ? Error{} : received.error();
  }
  Channel left_, right_;
  Channel::Message message_;
};

std::uint64_t inode(int fd) {
  struct stat info {};
  EXPECT_EQ(0, ::fstat(fd, &info));
  return info.st_ino;
}

TEST_F(ChannelTest, KeepsMessagesApartAndTheirFdsWithThem) {
  const UniqueFd a(::open("/dev/null", O_RDONLY)), b(::open("/dev/zero", O_RDONLY));
  const int fds[] = {a.get(), b.get()};
  ASSERT_EQ(Sent::kYes, left_.send(Type::kSessions, "one", fds));
  ASSERT_EQ(Sent::kYes, left_.send(Type::kAck, ""));
  ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ(Type::kSessions, message_.header.type);
  EXPECT_EQ("one", message_.body);
  ASSERT_EQ(2U, message_.fds.size());
  EXPECT_EQ(inode(a.get()), inode(message_.fds[0].get()));
  EXPECT_EQ(inode(b.get()), inode(message_.fds[1].get()));
  EXPECT_EQ(FD_CLOEXEC, ::fcntl(message_.fds[0].get(), F_GETFD));
  ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ(Type::kAck, message_.header.type);
  EXPECT_TRUE(message_.fds.empty());
  EXPECT_EQ(Received::kWouldBlock, receive());
}

TEST_F(ChannelTest, CarriesAFullFrameWithAsManyFdsAsTheKernelAllows) {
  const UniqueFd null(::open("/dev/null", O_RDONLY));
  const std::vector<int> fds(protocol::kMaxFds, null.get());
  const std::string body(protocol::kMaxBody, 'x');
  ASSERT_EQ(Sent::kYes, left_.send(Type::kSessions, body, fds));
  ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ(body, message_.body);
  EXPECT_EQ(protocol::kMaxFds, message_.fds.size());
}

TEST_F(ChannelTest, RefusesToSendWhatIsOverTheLimits) {
  EXPECT_FALSE(left_.send(Type::kSessions, std::string(protocol::kMaxBody + 1, 'x')));
  EXPECT_FALSE(left_.send(Type::kSessions, "", std::vector<int>(protocol::kMaxFds + 1, 0)));
}

TEST_F(ChannelTest, SaysWhenTheSocketIsFullAndLosesNothing) {
  const std::string body(100'000, 'x');
  int sent = 0;
  while (*left_.send(Type::kSessions, body) == Sent::kYes) ++sent;
  ASSERT_GT(sent, 0);
  for (int i = 0; i < sent; ++i) ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ(Received::kWouldBlock, receive());
  EXPECT_EQ(Sent::kYes, left_.send(Type::kSessions, body));
}

TEST_F(ChannelTest, GivesEverythingADeadPeerHadSentAndThenTheEnd) {
  ASSERT_EQ(Sent::kYes, left_.send(Type::kHello, "a"));
  ASSERT_EQ(Sent::kYes, left_.send(Type::kHello, "b"));
  // The peer has unread data, so the kernel reports ECONNRESET first.
  ASSERT_EQ(Sent::kYes, right_.send(Type::kAck, ""));
  left_ = Channel(UniqueFd());
  ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ("a", message_.body);
  ASSERT_EQ(Received::kMessage, receive());
  EXPECT_EQ("b", message_.body);
  EXPECT_EQ(Received::kClosed, receive());
  EXPECT_EQ(Received::kClosed, receive());
  EXPECT_EQ(Sent::kClosed, right_.send(Type::kAck, ""));
}

TEST_F(ChannelTest, TellsAnEmptyMessageFromTheEnd) {
  ASSERT_EQ(0, ::send(left_.fd(), "", 0, 0));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, receive_error().code);
}

TEST_F(ChannelTest, RefusesALaneThatDoesNotExist) {
  const auto header = protocol::encode_header({.type = Type::kAck, .lane = 1, .body = 0});
  ASSERT_EQ(static_cast<ssize_t>(header.size()),
            ::send(left_.fd(), header.data(), header.size(), 0));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, receive_error().code);
}

TEST_F(ChannelTest, RefusesALongerMessageThanTheLimitWithoutReadingOn) {
  const int size = 1 << 20;
  ::setsockopt(left_.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  const std::string huge(300'000, 'x');
  if (::send(left_.fd(), huge.data(), huge.size(), 0) < 0) {
    // Only root may send a message that long; for others the kernel refuses it.
    EXPECT_EQ(EMSGSIZE, errno);
    return;
  }
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, receive_error().code);
  EXPECT_EQ(Received::kWouldBlock, receive());
}

TEST_F(ChannelTest, NoticesFdsThatWereLostForWantOfNumbersAndLeaksNone) {
  const UniqueFd null(::open("/dev/null", O_RDONLY));
  const std::vector<int> fds(20, null.get());
  ASSERT_EQ(Sent::kYes, left_.send(Type::kSessions, "x", fds));
  const int next = ::dup(null.get());
  ::close(next);
  rlimit before{};
  ASSERT_EQ(0, ::getrlimit(RLIMIT_NOFILE, &before));
  const rlimit low{static_cast<rlim_t>(next + 5), before.rlim_max};
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &low));
  const auto received = right_.recv(message_);
  message_.fds.clear();
  ASSERT_EQ(0, ::setrlimit(RLIMIT_NOFILE, &before));
  ASSERT_FALSE(received);
  EXPECT_EQ(-EMFILE, received.error().code);
  EXPECT_NE(std::string::npos, received.error().message.find("RLIMIT_NOFILE"));
  EXPECT_EQ(next, ::dup(null.get()));
  ::close(next);
}

TEST_F(ChannelTest, HashesTheSameOnBothEndsUpToTheFrameBeforeTheLast) {
  for (const char* body : {"a", "bb", "ccc"}) {
    const std::uint64_t before = left_.sent_hash();
    ASSERT_EQ(Sent::kYes, left_.send(Type::kSessions, body));
    ASSERT_EQ(Received::kMessage, receive());
    EXPECT_EQ(before, right_.received_hash());
    EXPECT_NE(before, left_.sent_hash());
  }
  EXPECT_EQ(3U, left_.frames_sent());
  EXPECT_EQ(3U, right_.frames_received());
}

}  // namespace
}  // namespace handoff::io
