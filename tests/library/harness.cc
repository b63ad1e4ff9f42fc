#include "harness.h"

#include <dirent.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace handoff::test {
namespace {

io::Channel make_control(UniqueFd& other) {
  auto pair = io::Channel::make_pair();
  if (!pair) throw std::runtime_error(pair.error().message);
  other = std::move(pair->second);
  return io::Channel(std::move(pair->first));
}

}  // namespace

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, kPatienceMs) == 1;
}

Frame receive(io::Channel& channel) {
  Frame frame;
  io::Channel::Message message;
  while (true) {
    const auto received = channel.recv(message);
    if (!received) {
      ADD_FAILURE() << received.error().message;
      frame.closed = true;
      return frame;
    }
    if (*received == io::Channel::Received::kClosed) {
      frame.closed = true;
      return frame;
    }
    if (*received == io::Channel::Received::kMessage) break;
    if (!readable(channel.fd())) {
      ADD_FAILURE() << "no frame came";
      frame.closed = true;
      return frame;
    }
  }
  frame.type = message.header.type;
  frame.body = message.body;
  frame.fds = std::move(message.fds);
  return frame;
}

void send_raw(io::Channel& channel, protocol::Type type, const std::string& body,
              const std::vector<int>& fds) {
  while (true) {
    const auto sent = channel.send(type, body, fds);
    ASSERT_TRUE(sent) << sent.error().message;
    if (*sent != io::Channel::Sent::kWouldBlock) return;
    pollfd p{channel.fd(), POLLOUT, 0};
    ASSERT_EQ(1, ::poll(&p, 1, kPatienceMs));
  }
}

void send(io::Channel& channel, protocol::Type type, const google::protobuf::MessageLite& message,
          const std::vector<int>& fds) {
  send_raw(channel, type, message.SerializeAsString(), fds);
}

Child::Child(std::uint64_t generation, const std::function<int()>& body, Handoff* handoff,
             const std::vector<std::pair<std::string, int>>& listeners,
             const std::string& report_path)
    : control_(UniqueFd()) {
  UniqueFd theirs;
  control_ = make_control(theirs);
  v1::Start start;
  start.set_protocol_min(1);
  start.set_protocol_max(1);
  start.set_service("as the operator calls it");
  start.set_generation(generation);
  start.set_report_path(report_path);
  std::vector<int> fds;
  if (handoff != nullptr) {
    start.set_heir(true);
    auto& h = *start.mutable_handoff();
    h.set_id(handoff->id);
    h.set_channel_index(0);
    h.set_peer_index(1);
    h.set_stall_us(handoff->stall_us);
    h.set_budget_us(handoff->budget_us);
    h.set_spread(handoff->spread);
    fds = {handoff->channel.get(), handoff->peer_pidfd};
  }
  for (const auto& [name, fd] : listeners) {
    struct stat info {};
    EXPECT_EQ(0, ::fstat(fd, &info));
    auto& named = *start.add_listeners();
    named.set_name(name);
    named.set_address("tcp:127.0.0.1:0");
    named.set_inode(info.st_ino);
    named.set_device(info.st_dev);
    named.set_fd_index(static_cast<std::uint32_t>(fds.size()));
    fds.push_back(fd);
  }
  send(control_, protocol::Type::kStart, start, fds);
  if (handoff != nullptr) handoff->channel.reset();

  pid_ = ::fork();
  if (pid_ == 0) {
    // What the parent holds of other tests' processes is closed by the exec that a real supervisor
    // does; here it must be done by hand, or a channel would never come to its end.
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != theirs.get()) ::close(fd);
    }
    ::setenv("HANDOFF_FD", std::to_string(theirs.get()).c_str(), 1);
    ::setenv("HANDOFF_PID", std::to_string(::getpid()).c_str(), 1);
    int status = 99;
    try {
      status = body();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "child %d: %s\n", static_cast<int>(::getpid()), e.what());
      status = 1;
    }
    std::fflush(nullptr);
    ::_exit(status);
  }
  pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  EXPECT_TRUE(pidfd_.valid());
}

Child::~Child() {
  if (waited_) return;
  ::kill(pid_, SIGKILL);
  wait();
}

Frame Child::await(protocol::Type type) {
  while (true) {
    Frame frame = receive(control_);
    if (frame.closed || frame.type == type) return frame;
  }
}

void Child::donate(UniqueFd channel, int peer_pidfd, std::uint64_t id, std::uint64_t stall_us,
                   std::uint64_t budget_us, bool drain_incompatible, std::uint32_t spread) {
  v1::Donate donate;
  auto& h = *donate.mutable_handoff();
  h.set_id(id);
  h.set_channel_index(0);
  h.set_peer_index(1);
  h.set_stall_us(stall_us);
  h.set_budget_us(budget_us);
  h.set_drain_incompatible(drain_incompatible);
  h.set_spread(spread);
  send(control_, protocol::Type::kDonate, donate, {channel.get(), peer_pidfd});
}

void Child::signal(int number) const { ASSERT_EQ(0, ::kill(pid_, number)); }
void Child::stop() const {
  signal(SIGSTOP);
  int status = 0;
  ASSERT_EQ(pid_, ::waitpid(pid_, &status, WUNTRACED));
  ASSERT_TRUE(WIFSTOPPED(status));
}

int Child::wait() {
  pollfd p{pidfd_.get(), POLLIN, 0};
  if (::poll(&p, 1, kPatienceMs) != 1) {
    ADD_FAILURE() << "process " << pid_ << " does not end";
    ::kill(pid_, SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(pid_, ::waitpid(pid_, &status, 0));
  waited_ = true;
  return status;
}

std::vector<std::string> Child::open_fds() const {
  std::vector<std::string> out;
  const std::string folder = "/proc/" + std::to_string(pid_) + "/fd";
  DIR* dir = ::opendir(folder.c_str());
  EXPECT_NE(nullptr, dir);
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    char target[256] = {};
    if (::readlink((folder + "/" + entry->d_name).c_str(), target, sizeof target - 1) > 0) {
      out.emplace_back(target);
    }
  }
  ::closedir(dir);
  std::sort(out.begin(), out.end());
  return out;
}

int sleep_forever() {
  while (true) ::pause();
}

}  // namespace handoff::test
