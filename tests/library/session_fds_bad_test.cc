// What is no fd of a session: said by a donor, which its heir does not believe, or by a service.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "fd_service.h"
#include "handoff/handoff.h"
#include "libhandoff/base/unique_fd.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// ---- what a donor may not say ------------------------------------------------------------------

class BadFdsTest : public ::testing::Test {
 protected:
  // An heir that is told this of a session's fds, with that many in the frame, gives up.
  void expect_protocol(const std::function<void(v1::Session&)>& spoil, std::size_t extra,
                       v1::Code code = v1::PROTOCOL) {
    const FdServiceOptions options{.version = "2"};
    RawDonor donor([options] { return run_fd_service(options); });
    donor.open_connections(1);
    donor.send_hello();
    donor.send_listeners();
    v1::Sessions message = donor.sessions(false);
    spoil(*message.mutable_sessions(0));
    std::vector<int> fds = donor.session_fds();
    const UniqueFd one(::eventfd(0, EFD_CLOEXEC));
    for (std::size_t i = 0; i < extra; ++i) fds.push_back(one.get());
    send(donor.channel(), Type::kSessions, message, fds);
    expect_given_up(donor, code);
  }
  static v1::SessionFd& add(v1::Session& session, const std::string& name, bool sent = true) {
    auto& fd = *session.add_fds();
    const UniqueFd like(::eventfd(0, EFD_CLOEXEC));
    fd.set_name(name);
    fd.set_inode(inode_of(like.get()));
    fd.set_device(device_of(like.get()));
    fd.set_sent(sent);
    return fd;
  }
};

TEST_F(BadFdsTest, AreRefused) {
  expect_protocol([](v1::Session& s) { add(s, "one"); }, 0);
  expect_protocol([](v1::Session& s) { add(s, "one"); }, 2);
  expect_protocol([](v1::Session& s) { add(s, "a b"); }, 1);
  expect_protocol([](v1::Session& s) { add(s, ""); }, 1);
  expect_protocol([](v1::Session& s) { add(s, "one", false); }, 0);
  expect_protocol([](v1::Session& s) { add(s, "one"), add(s, "one"); }, 2);
  expect_protocol([](v1::Session& s) { s.set_no_fd(true); }, 0);
  expect_protocol(
      [](v1::Session& s) {
        for (int i = 0; i < 33; ++i) add(s, "n" + std::to_string(i));
      },
      33);
  expect_protocol([](v1::Session& s) { add(s, "one").set_inode(1); }, 1, v1::IDENTITY);
}

// ---- a donor that dies -------------------------------------------------------------------------

// What the heir has refused, or can't keep, ends by a reset: at its socket, and at its upstream.
TEST(SessionFdsOfTheDeadTest, AreResetWithTheSession) {
  for (const bool early : {false, true}) {
    FdServiceOptions options{.version = "2"};
    options.early_restore = early;
    options.takes = false;
    RawDonor donor([options] { return run_fd_service(options); });
    donor.open_connections(3);  // the third is the upstream of the second
    v1::Hello hello = donor.hello();
    hello.set_unmovable(v1::UNMOVABLE_CLOSE);
    hello.set_sessions(2);
    send(donor.channel(), Type::kHello, hello);
    EXPECT_EQ(Type::kHello, donor.next().type);
    donor.send_listeners();
    v1::Sessions message = donor.sessions(true);
    message.mutable_sessions()->RemoveLast();
    auto& upstream = *message.mutable_sessions(1)->add_fds();
    upstream.set_name("upstream");
    upstream.set_inode(inode_of(donor.connection(2).server.get()));
    upstream.set_device(device_of(donor.connection(2).server.get()));
    upstream.set_sent(true);
    send(donor.channel(), Type::kSessions, message, donor.session_fds());
    v1::CopyEnd end;
    end.set_round(1);
    end.set_sessions(2);
    send(donor.channel(), Type::kCopyEnd, end);
    EXPECT_EQ(Type::kCopied, donor.next().type);
    donor.die();
    const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(1U, owner.sessions()) << early;
    EXPECT_EQ(1U, owner.lost()) << early;
    EXPECT_EQ("RESET", next_line(donor.connection(1).client.get())) << early;
    EXPECT_EQ("RESET", next_line(donor.connection(2).client.get())) << early;
    const int client = donor.connection(0).client.get();
    ASSERT_EQ(4, ::send(client, "who\n", 4, MSG_NOSIGNAL));
    EXPECT_EQ("2\n", next_line(client)) << early;
  }
}

// ---- the C ABI ---------------------------------------------------------------------------------

TEST(SessionFdTest, SaysWhatIsWrong) {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  handoff_t* h = nullptr;
  ASSERT_EQ(0, handoff_open(&h, &options));
  ASSERT_EQ(0, handoff_ready(h));
  ASSERT_EQ(0, handoff_wait(h, -1));
  const UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd other(::eventfd(0, EFD_CLOEXEC));
  std::uint64_t id = 0;
  handoff_session_options no_fd{};
  no_fd.size = sizeof no_fd;
  no_fd.flags = HANDOFF_SESSION_NO_FD;
  EXPECT_EQ(-EINVAL, handoff_session_open(h, fd.get(), &no_fd, &id));
  EXPECT_EQ(-EBADF, handoff_session_open(h, -1, nullptr, &id));
  ASSERT_EQ(0, handoff_session_open(h, -1, &no_fd, &id));
  ASSERT_EQ(0, handoff_session_open(h, fd.get(), nullptr, &id));
  EXPECT_EQ(2U, handoff_session_count(h));
  EXPECT_EQ(-EINVAL, handoff_session_fd(nullptr, id, "one", other.get()));
  EXPECT_EQ(-EINVAL, handoff_session_fd(h, id, nullptr, other.get()));
  EXPECT_EQ(-EINVAL, handoff_session_fd(h, id, "a b", other.get()));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_fd(h, id + 1, "one", other.get()));
  EXPECT_EQ(-EBADF, handoff_session_fd(h, id, "one", 9999));
  EXPECT_EQ(-ENOENT, handoff_session_fd(h, id, "one", -1));
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_session_fd(h, id, "one", fd.get()));
  EXPECT_EQ(0, handoff_session_fd(h, id, "one", other.get()));
  EXPECT_EQ(0, handoff_session_fd(h, id, "one", other.get())) << "in its own place";
  EXPECT_EQ(HANDOFF_ERR_DUPLICATE, handoff_session_fd(h, id, "two", other.get()));
  EXPECT_THAT(handoff_last_error(h), HasSubstr("'two'"));
  std::vector<UniqueFd> more;
  for (int i = 1; i <= 32; ++i) {
    more.emplace_back(::eventfd(0, EFD_CLOEXEC));
    EXPECT_EQ(i < 32 ? 0 : -E2BIG,
              handoff_session_fd(h, id, ("n" + std::to_string(i)).c_str(), more.back().get()));
  }
  EXPECT_EQ(0, handoff_session_fd(h, id, "one", -1));
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_take_fd(h, id, "one"));
  EXPECT_EQ(-EINVAL, handoff_take_fd(h, id, nullptr));
  EXPECT_EQ(0, handoff_session_closed(h, id));
  EXPECT_EQ(HANDOFF_ERR_UNKNOWN, handoff_session_fd(h, id, "one", -1));
  handoff_close(h);
}

}  // namespace
}  // namespace handoff::test
