#include "kinds_of_fd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {
namespace {

int must(int result, const char* what) {
  if (result < 0) throw std::runtime_error(what);
  return result;
}

std::string read_some(int fd) {
  std::array<char, 4096> bytes{};
  const ssize_t n = ::read(fd, bytes.data(), bytes.size());
  return n < 0 ? "nothing" : std::string(bytes.data(), static_cast<std::size_t>(n));
}
void write_all(int fd, const std::string& text) {
  if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error("write");
  }
}
std::uint64_t read_number(int fd) {
  std::uint64_t number = 0;
  if (::read(fd, &number, sizeof number) != sizeof number) return 0;
  return number;
}
bool becomes_ready(int fd, short events) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, 5000) == 1;
}

sockaddr_in loopback() {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}
sockaddr_in address_of(int fd) {
  sockaddr_in at{};
  socklen_t length = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length);
  return at;
}
int bound(int type) {
  const int fd = must(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_in at = loopback();
  must(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at), "bind");
  return fd;
}
int connect_to(int listener, int flags) {
  const int fd = must(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
  const sockaddr_in at = address_of(listener);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0 &&
      errno != EINPROGRESS) {
    throw std::runtime_error("connect");
  }
  return fd;
}

void give_pair(const FdOwner& s, const std::string& name, int type) {
  std::array<int, 2> pair{};
  must(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair.data()), "socketpair");
  s.give(name + ".a", pair[0]);
  s.give(name + ".b", pair[1]);
}

void open_shell(const FdOwner& s) {
  const int master = must(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
  std::array<char, 64> slave{};
  must(::grantpt(master), "grantpt");
  must(::unlockpt(master), "unlockpt");
  must(::ptsname_r(master, slave.data(), slave.size()), "ptsname_r");
  const pid_t pid = must(::fork(), "fork");
  if (pid == 0) {
    ::setsid();
    const int tty = ::open(slave.data(), O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(tty, fd);
    ::execl("/bin/sh", "sh", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  s.give("pty", master);
  s.needs(pid);
}

std::string use_shell(const FdOwner& s) {
  write_all(s.fd("pty"), "echo $((6 * 7))\n");
  std::string said;
  while (said.find("42") == std::string::npos) {
    if (!becomes_ready(s.fd("pty"), POLLIN)) return "silent: " + said;
    said += read_some(s.fd("pty"));
  }
  return "42";
}

// A child that ends once it is told to.
void open_child(const FdOwner& s) {
  std::array<int, 2> pair{};
  must(::pipe2(pair.data(), O_CLOEXEC), "pipe2");
  const pid_t pid = must(::fork(), "fork");
  if (pid == 0) {
    // Nothing else of the service is to stay open in it.
    ::dup2(pair[0], 0);
    ::close_range(1, ~0U, 0);
    char byte = 0;
    ::_exit(::read(0, &byte, 1) == 1 ? 0 : 1);
  }
  ::close(pair[0]);
  s.give("pidfd.stop", pair[1]);
  s.give("pidfd", static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// Its queue holds one connection, so that the next one is neither made nor refused.
void open_connect(const FdOwner& s) {
  const int listener = bound(SOCK_STREAM);
  must(::listen(listener, 0), "listen");
  s.give("connect.listener", listener);
  s.give("connect.first", connect_to(listener, 0));
  const int fd = connect_to(listener, SOCK_NONBLOCK);
  pollfd p{fd, POLLOUT, 0};
  if (::poll(&p, 1, 0) != 0) throw std::runtime_error("the connect is not under way");
  s.give("connect", fd);
}

std::string use_connect(const FdOwner& s) {
  const UniqueFd first(::accept4(s.fd("connect.listener"), nullptr, nullptr, SOCK_CLOEXEC));
  if (!becomes_ready(s.fd("connect"), POLLOUT)) return "still under way";
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(s.fd("connect"), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? "connected" : "error " + std::to_string(error);
}

void open_epoll(const FdOwner& s) {
  const int set = must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  const int event = must(::eventfd(1, EFD_CLOEXEC), "eventfd");
  epoll_event of{};
  of.events = EPOLLIN;
  of.data.u64 = 42;
  must(::epoll_ctl(set, EPOLL_CTL_ADD, event, &of), "epoll_ctl");
  s.give("epoll", set);
  s.give("epoll.event", event);
}
std::string use_epoll(const FdOwner& s) {
  epoll_event event{};
  if (::epoll_wait(s.fd("epoll"), &event, 1, 5000) != 1) return "nothing";
  return std::to_string(event.data.u64);
}

void open_signalfd(const FdOwner& s) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  s.give("signalfd", must(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd"));
}
// A signalfd reads the signals of the process that reads, which has to block them.
std::string use_signalfd(const FdOwner& s) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::kill(::getpid(), SIGUSR2);
  signalfd_siginfo info{};
  if (::read(s.fd("signalfd"), &info, sizeof info) != sizeof info) return "nothing";
  return info.ssi_pid == static_cast<std::uint32_t>(::getpid()) ? "mine" : "another's";
}

void open_listener(const FdOwner& s) {
  const int listener = bound(SOCK_STREAM);
  must(::listen(listener, 5), "listen");
  s.give("listener", listener);
  const UniqueFd client(connect_to(listener, 0));
  write_all(client.get(), "in the queue");
}

std::string use_inotify(const FdOwner& s) {
  const UniqueFd file(::open((s.folder + "/seen").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  alignas(inotify_event) std::array<char, 4096> bytes{};
  if (::read(s.fd("inotify"), bytes.data(), bytes.size()) <= 0) return "nothing";
  return reinterpret_cast<const inotify_event*>(bytes.data())->name;
}

}  // namespace

int memfd_of(const std::string& text) {
  const int fd = must(::memfd_create("extra", MFD_CLOEXEC), "memfd_create");
  write_all(fd, text);
  return fd;
}
std::string text_of_memfd(int fd) {
  std::array<char, 256> bytes{};
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), 0);
  return n < 0 ? "nothing" : std::string(bytes.data(), static_cast<std::size_t>(n));
}

const std::map<std::string, FdUse>& fd_uses() {
  static const std::map<std::string, FdUse> all{
      {"pipe",
       {"in the pipe",
        [](const FdOwner& s) {
          std::array<int, 2> pair{};
          must(::pipe2(pair.data(), O_CLOEXEC), "pipe2");
          write_all(pair[1], "in the pipe");
          s.give("pipe.read", pair[0]);
          s.give("pipe.write", pair[1]);
        },
        [](const FdOwner& s) { return read_some(s.fd("pipe.read")); }}},
      {"eventfd",
       {"7",
        [](const FdOwner& s) { s.give("eventfd", must(::eventfd(7, EFD_CLOEXEC), "eventfd")); },
        [](const FdOwner& s) { return std::to_string(read_number(s.fd("eventfd"))); }}},
      {"timerfd",
       {"1",
        [](const FdOwner& s) {
          const int fd = must(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create");
          itimerspec in{};
          in.it_value.tv_nsec = 50'000'000;
          must(::timerfd_settime(fd, 0, &in, nullptr), "timerfd_settime");
          s.give("timerfd", fd);
        },
        [](const FdOwner& s) { return std::to_string(read_number(s.fd("timerfd"))); }}},
      {"signalfd", {"mine", open_signalfd, use_signalfd}},
      {"inotify",
       {"seen",
        [](const FdOwner& s) {
          const int fd = must(::inotify_init1(IN_CLOEXEC), "inotify_init1");
          must(::inotify_add_watch(fd, s.folder.c_str(), IN_CREATE), "inotify_add_watch");
          s.give("inotify", fd);
        },
        use_inotify}},
      {"epoll", {"42", open_epoll, use_epoll}},
      {"memfd",
       {"in memory", [](const FdOwner& s) { s.give("memfd", memfd_of("in memory")); },
        [](const FdOwner& s) { return text_of_memfd(s.fd("memfd")); }}},
      {"file",
       {"one two",
        [](const FdOwner& s) {
          const int fd = must(
              ::open((s.folder + "/log").c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600),
              "open");
          write_all(fd, "one ");
          s.give("file", fd);
        },
        [](const FdOwner& s) {
          write_all(s.fd("file"), "two");  // where the other process was
          return text_of_memfd(s.fd("file"));
        }}},
      {"directory",
       {"made",
        [](const FdOwner& s) {
          s.give("directory",
                 must(::open(s.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open"));
        },
        [](const FdOwner& s) {
          const UniqueFd made(
              ::openat(s.fd("directory"), "made", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
          return ::access((s.folder + "/made").c_str(), F_OK) == 0 ? "made" : "nothing";
        }}},
      {"udp",
       {"in the queue",
        [](const FdOwner& s) {
          const int fd = bound(SOCK_DGRAM);
          s.give("udp", fd);
          const UniqueFd sender(bound(SOCK_DGRAM));
          const sockaddr_in to = address_of(fd);
          (void)!::sendto(sender.get(), "in the queue", 12, 0,
                          reinterpret_cast<const sockaddr*>(&to), sizeof to);
        },
        [](const FdOwner& s) { return read_some(s.fd("udp")); }}},
      {"listener",
       {"in the queue", open_listener,
        [](const FdOwner& s) {
          const UniqueFd client(::accept4(s.fd("listener"), nullptr, nullptr, SOCK_CLOEXEC));
          return read_some(client.get());
        }}},
      {"seqpacket",
       {"one|two",
        [](const FdOwner& s) {
          give_pair(s, "seqpacket", SOCK_SEQPACKET);
          write_all(s.fd("seqpacket.a"), "one");
          write_all(s.fd("seqpacket.a"), "two");
        },
        [](const FdOwner& s) {
          const std::string first = read_some(s.fd("seqpacket.b"));
          return first + "|" + read_some(s.fd("seqpacket.b"));
        }}},
      {"unix",
       {"in the stream",
        [](const FdOwner& s) {
          give_pair(s, "unix", SOCK_STREAM);
          write_all(s.fd("unix.a"), "in the stream");
        },
        [](const FdOwner& s) { return read_some(s.fd("unix.b")); }}},
      {"pty", {"42", open_shell, use_shell}},
      {"pidfd",
       {"exited", open_child,
        [](const FdOwner& s) {
          write_all(s.fd("pidfd.stop"), "x");
          return becomes_ready(s.fd("pidfd"), POLLIN) ? "exited" : "lives";
        }}},
      {"connect", {"connected", open_connect, use_connect}},
  };
  return all;
}

}  // namespace handoff::test
