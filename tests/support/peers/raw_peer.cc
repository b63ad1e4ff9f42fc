#include "support/peers/raw_peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "support/clients/sockets.h"

namespace handoff::test {

using protocol::Type;

Connection connect_pair(int listener) {
  Connection out;
  out.client = connect_tcp(port_of(listener));
  EXPECT_TRUE(out.client.valid());
  EXPECT_TRUE(readable(listener));
  out.server = UniqueFd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_TRUE(out.server.valid());
  return out;
}

std::uint64_t inode_of(int fd) {
  struct stat info {};
  EXPECT_EQ(0, ::fstat(fd, &info));
  return info.st_ino;
}
std::uint64_t device_of(int fd) {
  struct stat info {};
  EXPECT_EQ(0, ::fstat(fd, &info));
  return info.st_dev;
}

std::string next_line(int client) {
  std::string out;
  while (out.empty() || out.back() != '\n') {
    if (!readable(client)) return "TIMEOUT";
    char byte = 0;
    const ssize_t n = ::recv(client, &byte, 1, 0);
    if (n == 0) return "EOF";
    if (n < 0) return errno == ECONNRESET ? "RESET" : std::strerror(errno);
    out.push_back(byte);
  }
  return out;
}

RawDonor::RawDonor(const std::function<int()>& heir_body, const Terms& terms,
                   const std::string& report_path)
    : listener_(listen_on_loopback(SOCK_NONBLOCK)), port_(port_of(listener_.get())) {
  auto word = io::OwnershipWord::make();
  EXPECT_TRUE(word);
  word_ = std::move(*word);
  auto [mine, theirs] = make_channel();
  channel_.emplace(std::move(mine));
  heir_ = std::make_unique<ServiceProcess>(
      2, heir_body, Side{std::move(theirs), process_.pidfd(), terms}, report_path);
}

v1::Hello RawDonor::hello() const {
  v1::Hello hello;
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  hello.set_handoff_id(1);
  hello.set_lanes(1);
  hello.set_sessions(connections_.size());
  auto& manifest = *hello.mutable_manifest();
  manifest.set_service("test");
  manifest.set_release("1");
  auto& kind = *manifest.add_kinds();
  kind.set_name("session");
  kind.set_version(1);
  kind.add_reads(1);
  kind.add_writes(1);
  *manifest.add_named() = listeners().named(0);
  return hello;
}

v1::Listeners RawDonor::listeners() const {
  v1::Listeners message;
  message.set_total(1);
  auto& named = *message.add_named();
  named.set_name("public");
  named.set_address("tcp:127.0.0.1:0");
  named.set_inode(inode_of(listener_.get()));
  named.set_device(device_of(listener_.get()));
  return message;
}

v1::Sessions RawDonor::sessions(bool independent) const {
  v1::Sessions message;
  std::uint64_t id = 100;
  for (const Connection& connection : connections_) {
    auto& session = *message.add_sessions();
    session.set_id(id++);
    session.set_has_fd(true);
    session.set_state("5");
    session.set_inode(inode_of(connection.server.get()));
    if (independent) {
      session.set_flags(1);
      session.mutable_counters()->set_consumed(0);
      session.mutable_counters()->set_written(0);
    }
  }
  return message;
}

std::vector<int> RawDonor::session_fds() const {
  std::vector<int> fds;
  for (const Connection& connection : connections_) fds.push_back(connection.server.get());
  return fds;
}

v1::Prepare RawDonor::prepare() const {
  v1::Prepare message;
  message.set_sessions(connections_.size());
  message.set_checksum(channel_->sent_hash());
  message.set_frozen_at_ns(1);
  message.set_budget_us(1);
  return message;
}

void RawDonor::open_connections(std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) connections_.push_back(connect_pair(listener_.get()));
}
void RawDonor::send_hello() {
  send(*channel_, Type::kHello, hello());
  EXPECT_EQ(Type::kHello, next().type);
}
void RawDonor::send_listeners() {
  send(*channel_, Type::kListeners, listeners(), {listener_.get()});
}
void RawDonor::send_sessions(bool independent) {
  send(*channel_, Type::kSessions, sessions(independent), session_fds());
}
void RawDonor::send_copy_end() {
  v1::CopyEnd end;
  end.set_round(1);
  end.set_sessions(connections_.size());
  send(*channel_, Type::kCopyEnd, end);
  EXPECT_EQ(Type::kCopied, next().type);
}
void RawDonor::send_prepare() {
  send(*channel_, Type::kPrepare, prepare(), {word()});
  EXPECT_EQ(Type::kPrepared, next().type);
}
void RawDonor::copy(std::size_t connections, bool independent) {
  open_connections(connections);
  send_hello();
  send_listeners();
  send_sessions(independent);
}
void RawDonor::copy_and_prepare(std::size_t connections, bool independent) {
  copy(connections, independent);
  send_copy_end();
  send_prepare();
}
Frame RawDonor::next() {
  while (true) {
    Frame frame = receive(*channel_);
    if (frame.closed || frame.type != Type::kAck) return frame;
  }
}
void RawDonor::close_sockets() {
  for (Connection& connection : connections_) connection.server.reset();
  listener_.reset();
}
void RawDonor::die() {
  close_sockets();
  channel_.reset();
  process_.kill();
}

RawHeir::RawHeir(ServiceProcess& donor, const Terms& terms) {
  auto [theirs, mine] = make_channel();
  channel_.emplace(std::move(mine));
  donor.donate({std::move(theirs), process_.pidfd(), terms});
}

v1::Hello RawHeir::hello() const {
  v1::Hello hello;
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  hello.set_handoff_id(1);
  hello.set_lanes(1);
  hello.set_fds_max(20000);
  auto& manifest = *hello.mutable_manifest();
  manifest.set_service("test");
  manifest.set_release("2");
  auto& kind = *manifest.add_kinds();
  kind.set_name("session");
  kind.set_version(1);
  kind.add_reads(1);
  kind.add_writes(1);
  manifest.add_named()->set_name("public");
  return hello;
}

Frame RawHeir::next() {
  Frame frame = receive(*channel_);
  if (frame.type == Type::kCopyEnd) {
    v1::CopyEnd end;
    EXPECT_TRUE(end.ParseFromString(frame.body));
    sessions_ = end.sessions();
  } else if (frame.type == Type::kPrepare) {
    v1::Prepare prepare;
    EXPECT_TRUE(prepare.ParseFromString(frame.body));
    sessions_ = prepare.sessions();
    EXPECT_EQ(1U, frame.fds.size());
    auto word = io::OwnershipWord::map(frame.fds.empty() ? -1 : frame.fds[0].get());
    EXPECT_TRUE(word);
    if (word) word_ = std::move(*word);
  }
  return frame;
}

Frame RawHeir::await(Type type) {
  while (true) {
    Frame frame = next();
    if (frame.closed || frame.type == type) return frame;
    if (frame.type == Type::kListeners || frame.type == Type::kSessions) {
      v1::Ack ack;
      ack.set_frames(channel_->frames_received());
      send(*channel_, Type::kAck, ack);
    }
  }
}

void RawHeir::send_hello(const v1::Hello& hello) {
  send(*channel_, Type::kHello, hello);
  greeted_ = true;
}
void RawHeir::send_copied() {
  v1::Copied copied;
  copied.set_round(1);
  copied.set_sessions(sessions_);
  send(*channel_, Type::kCopied, copied);
}
void RawHeir::send_prepared() {
  v1::Prepared prepared;
  prepared.set_sessions(sessions_);
  send(*channel_, Type::kPrepared, prepared);
}

namespace {
void must_be(Type type, const Frame& frame) {
  if (!frame.closed && frame.type == type) return;
  throw std::runtime_error("no " + protocol::type_name(type) + " came");
}
}  // namespace

void RawHeir::reach_copy_end() {
  if (!greeted_) send_hello();
  must_be(Type::kCopyEnd, await(Type::kCopyEnd));
}
void RawHeir::reach_prepare() {
  reach_copy_end();
  send_copied();
  must_be(Type::kPrepare, await(Type::kPrepare));
}
void RawHeir::reach_release() {
  reach_prepare();
  send_prepared();
  must_be(Type::kRelease, next());
}

void expect_given_up(RawDonor& donor, v1::Code code, bool told) {
  if (told) {
    const Frame frame = donor.next();
    ASSERT_EQ(Type::kAbort, frame.type);
    v1::Abort abort;
    ASSERT_TRUE(abort.ParseFromString(frame.body));
    EXPECT_EQ(code, abort.code()) << abort.reason();
    EXPECT_FALSE(abort.reason().empty());
  }
  const auto failed = donor.heir().await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(code, failed.code()) << failed.reason();
  EXPECT_EQ(3, donor.heir().wait());
}

void expect_taken(RawDonor& donor) {
  donor.send_copy_end();
  donor.send_prepare();
  donor.close_sockets();
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  for (std::size_t i = 0; i < donor.connections(); ++i) {
    const int client = donor.connection(i).client.get();
    ASSERT_EQ(2, ::send(client, "x\n", 2, 0));
    EXPECT_EQ("6 x\n", next_line(client));
  }
}

}  // namespace handoff::test
