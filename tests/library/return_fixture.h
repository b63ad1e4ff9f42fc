// A service whose supervisor, played by the test, dies, and the next one, to which it comes back.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "handoff/handoff.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"
#include "support/process/proc.h"

namespace handoff::test {

using protocol::Type;

class ReturnTest : public ::testing::Test {
 protected:
  void SetUp() override { open_door(); }

  std::string path() const { return dir_ / "services.sock"; }
  void open_door() { door_ = listen_unix(path(), SOCK_SEQPACKET); }
  void close_door() {
    door_.reset();
    std::filesystem::remove(path());
  }

  void start(const LineServiceOptions& options = {}) {
    service_ = std::make_unique<ServiceProcess>(
        1, [&] { return run_line_service(options); }, path());
    address_ = service_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  // Its mailbox, as a supervisor makes it, but that this one needs no name and no key.
  void start_with_mailbox(const LineServiceOptions& options = {}, const std::string& path = "") {
    int ends[2] = {-1, -1};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    post_.reset(ends[0]);
    const UniqueFd box(ends[1]);
    service_ = std::make_unique<ServiceProcess>(
        1, [&] { return run_line_service(options); }, path, box.get());
    address_ = service_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  // The next supervisor's end of a control socket, the other end of which it has posted.
  UniqueFd post() const {
    auto [ours, theirs] = make_channel();
    char text[] = "key";
    iovec part{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr letter{};
    letter.msg_iov = &part;
    letter.msg_iovlen = 1;
    letter.msg_control = control;
    letter.msg_controllen = sizeof control;
    cmsghdr* cmsg = CMSG_FIRSTHDR(&letter);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = theirs.get();
    std::memcpy(CMSG_DATA(cmsg), &number, sizeof number);
    EXPECT_GT(::sendmsg(post_.get(), &letter, 0), 0);
    return std::move(ours);
  }
  // The supervisor dies.
  static void cut(ServiceProcess& child) { child.control() = io::Channel(UniqueFd()); }
  // The next supervisor accepts the service; returns its Register.
  v1::Register welcome(ServiceProcess& child) const {
    EXPECT_TRUE(readable(door_.get())) << "it did not come back";
    return hear(child, UniqueFd(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  static v1::Register hear(ServiceProcess& child, UniqueFd control) {
    child.control() = io::Channel(std::move(control));
    const Frame frame = receive(child.control());
    EXPECT_EQ(Type::kRegister, frame.type);
    v1::Register message;
    EXPECT_TRUE(message.ParseFromString(frame.body));
    EXPECT_TRUE(message.returning());
    EXPECT_EQ("test", message.manifest().service());
    EXPECT_EQ(1U, message.protocol_max());
    return message;
  }
  template <class Message>
  static Message next(ServiceProcess& child, Type type) {
    const Frame frame = receive(child.control());
    EXPECT_EQ(type, frame.type);
    Message message;
    EXPECT_TRUE(message.ParseFromString(frame.body));
    return message;
  }
  // The next message must be Owner, with the very socket of the listener.
  static v1::Owner next_owner(ServiceProcess& child) {
    const Frame frame = receive(child.control());
    EXPECT_EQ(Type::kOwner, frame.type);
    v1::Owner owner;
    EXPECT_TRUE(owner.ParseFromString(frame.body));
    EXPECT_TRUE(owner.with_fds());
    EXPECT_EQ(1U, frame.fds.size());
    if (frame.fds.size() != 1 || owner.named_size() != 1) {
      ADD_FAILURE() << owner.named_size() << " named";
      return owner;
    }
    EXPECT_EQ("public", owner.named(0).name());
    EXPECT_EQ(0U, owner.named(0).fd_index());
    EXPECT_EQ(owner.named(0).inode(), inode_of(frame.fds[0].get()));
    EXPECT_EQ(owner.named(0).device(), device_of(frame.fds[0].get()));
    return owner;
  }
  void expect_nothing_more_said(ServiceProcess& child) {
    v1::Query query;
    query.set_id(77);
    send(child.control(), Type::kQuery, query);
    EXPECT_EQ(77U, next<v1::Status>(child, Type::kStatus).query_id());
  }
  static void finish(RawHeir& heir) {
    heir.send_copied();
    ASSERT_FALSE(heir.await(Type::kPrepare).closed);
    heir.send_prepared();
    ASSERT_EQ(Type::kRelease, heir.next().type);
    send_raw(heir.channel(), Type::kResumed, "");
  }

  TempDir dir_;
  std::string address_;
  UniqueFd door_;
  UniqueFd post_;  // to its mailbox
  std::unique_ptr<ServiceProcess> service_;
};

}  // namespace handoff::test
