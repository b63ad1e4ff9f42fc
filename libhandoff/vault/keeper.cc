#include "libhandoff/vault/keeper.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "libhandoff/vault/kernel.h"
#include "libhandoff/vault/seccomp.h"

namespace handoff::vault {

// What the service and its keeper share, in memory that both see.
struct Keeper::Shared {
  std::atomic<int> ready = 0;  // 1; or an errno, negative
  std::atomic<int> over = 0;
  pid_t service = 0;
  int control = -1;
  int pidfd = -1;
  int status = -1;  // /proc/PID/status
  int memory = -1;
  bool mailbox = false;  // control is one
  std::uint64_t cookie = 0;
};

// All that follows up to Keeper::start() runs in the keeper: system calls alone, and no memory but
// the stack's and what is static.
namespace {

constexpr int kLookMs = 2000;  // at whether the service still shares its table

struct Same {
  dev_t device = 0;
  ino_t inode = 0;
};
bool look_at(int fd, Same& out) {
  struct stat info {};
  if (::syscall(SYS_fstat, fd, &info) != 0) return false;
  out = {info.st_dev, info.st_ino};
  return true;
}
bool still(int fd, const Same& was) {
  Same is;
  return look_at(fd, is) && is.device == was.device && is.inode == was.inode;
}

bool is_control(int fd, std::uint64_t cookie) {
  const auto is = cookie_of(fd);
  return is && *is == cookie;
}

struct Files {
  int control, pidfd, status, folder, memory;
  std::uint64_t cookie;
  Same of_pidfd, of_status, of_folder, of_memory;
  // The line of the asker: control, or the other end of what a letter brought. -1: nobody asks.
  int asker;
  std::uint64_t asker_cookie;

  bool own() const {
    return is_control(control, cookie) && still(pidfd, of_pidfd) && still(status, of_status) &&
           still(folder, of_folder) && (asker < 0 || is_control(asker, asker_cookie));
  }
  bool has(int fd) const {
    return fd == control || fd == pidfd || fd == status || fd == folder || fd == asker;
  }
  // Nobody asks any more.
  void hang_up() {
    if (asker != control && asker >= 0) (void)::syscall(SYS_close, asker);
    asker = -1;
  }
};

// The fd that came with a letter; -1: there is no letter, or none that has one. The mailbox's
// filter has let in nobody but a supervisor.
int take_letter(int mailbox) {
  char text[64];
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
  iovec part{text, sizeof text};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  if (::syscall(SYS_recvmsg, mailbox, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0) return -1;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return -1;
  }
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

void hear_newest(Files& files) {
  for (int fd = take_letter(files.control); fd >= 0; fd = take_letter(files.control)) {
    const auto its = cookie_of(fd);
    if (!its) {
      (void)::syscall(SYS_close, fd);
      continue;
    }
    files.hang_up();
    files.asker = fd;
    files.asker_cookie = *its;
  }
}

// Whether the service's memory changes no more: it is dead, or dumps its core.
bool at_rest(const Files& files) {
  static char text[4096];
  const long n = ::syscall(SYS_pread64, files.status, text, sizeof text - 1, 0L);
  text[n > 0 ? n : 0] = '\0';
  const bool dumps = std::strstr(text, "\nCoreDumping:\t1") != nullptr;
  pollfd dead{files.pidfd, POLLIN, 0};
  const bool ended = ::poll(&dead, 1, 0) == 1 && (dead.revents & POLLIN) != 0;
  // An fd that looks like the pidfd and is none would say so of a process that lives.
  const bool gone = n <= 0 || std::strstr(text, "\nState:\tZ") != nullptr ||
                    std::strstr(text, "\nState:\tX") != nullptr;
  return dumps || (ended && gone);
}

// Calls f for each number in the table.
template <class F>
void each_number(int folder, F&& f) {
  alignas(std::uint64_t) static char entries[4096];
  struct Entry {  // linux_dirent64, getdents64(2)
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t length;
    std::uint8_t type;
    char name[1];
  };
  (void)::syscall(SYS_lseek, folder, 0L, SEEK_SET);
  for (;;) {
    const long n = ::syscall(SYS_getdents64, folder, entries, sizeof entries);
    if (n <= 0) return;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const Entry*>(entries + at);
      at += entry->length;
      int number = 0;
      const char* c = entry->name;
      for (; *c >= '0' && *c <= '9'; ++c) number = number * 10 + (*c - '0');
      if (c != entry->name && *c == '\0') f(number);
    }
  }
}

// SOCK_STREAM, ...; -1 of what is no socket.
int type_of(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 ? type : -1;
}

// The channels and control sockets of a dead service: nobody would see their end before ours.
void close_channels(const Files& files) {
  each_number(files.folder, [&](int fd) {
    if (!files.has(fd) && type_of(fd) == SOCK_SEQPACKET) (void)::syscall(SYS_close, fd);
  });
}

struct Batch {
  std::uint32_t n = 0;
  std::int32_t numbers[kKeeperBatch] = {};
};

// False: nobody listens.
bool send(int control, const Batch& batch) {
  alignas(cmsghdr) static char space[CMSG_SPACE(sizeof batch.numbers)];
  const std::uint32_t fds = batch.n > kKeeperBatch ? 0 : batch.n;
  iovec part{const_cast<Batch*>(&batch), sizeof batch.n + fds * sizeof batch.numbers[0]};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fds > 0) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds * sizeof(int));
    std::memcpy(CMSG_DATA(header), batch.numbers, fds * sizeof(int));
  }
  for (;;) {
    if (::syscall(SYS_sendmsg, control, &message, MSG_NOSIGNAL) >= 0) return true;
    if (errno == EINTR) continue;
    // Too many are on their way until the other end has read some.
    if (errno != EAGAIN && errno != ETOOMANYREFS && errno != ENOBUFS && errno != ENOMEM) {
      return false;
    }
    pollfd end{control, static_cast<short>(errno == EAGAIN ? POLLOUT : 0), 0};
    (void)::poll(&end, 1, errno == EAGAIN ? -1 : 1);
    if ((end.revents & (POLLHUP | POLLERR)) != 0) return false;
  }
}

bool give_memory(const Files& files) {
  Batch batch;
  if (files.memory >= 0 && still(files.memory, files.of_memory)) {
    batch.n = 1;
    batch.numbers[0] = files.memory;
  }
  return send(files.asker, batch);
}

bool give(const Files& files) {
  static Batch batch;
  batch.n = kKeeperBegins;
  bool heard = send(files.asker, batch);
  batch.n = 0;
  each_number(files.folder, [&](int fd) {
    if (!heard || files.has(fd) || type_of(fd) < 0) return;
    batch.numbers[batch.n++] = fd;
    if (batch.n < kKeeperBatch) return;
    heard = send(files.asker, batch);
    batch.n = 0;
  });
  if (heard && batch.n > 0) heard = send(files.asker, batch);
  batch.n = 0;
  return heard && send(files.asker, batch);
}

void wake(std::atomic<int>& word, int value) {
  word.store(value);
  (void)::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

// What who asks has to say, if anything. False: nobody asks any more.
bool answer(const Files& files, bool& dead) {
  char word = 0;
  const long n =
      ::syscall(SYS_recvfrom, files.asker, &word, sizeof word, MSG_DONTWAIT, nullptr, nullptr);
  // ECONNRESET comes before what is queued, where the other end has left our answers unread.
  if (n < 0) return errno == EAGAIN || errno == EINTR || errno == ECONNRESET;
  if (n == 0) return false;
  if (word == 'x') ::_exit(0);
  // Whether anybody still listens the next recv(2) says, and 'x' may be queued behind this.
  if (word == 'm') (void)give_memory(files);
  if (word != 'g') return true;
  if (!dead && at_rest(files)) {
    dead = true;
    close_channels(files);
  }
  static const Batch busy{.n = kKeeperBusy, .numbers = {}};
  (void)(dead ? give(files) : send(files.asker, busy));
  return true;
}

// What it may do shrinks before it does anything.
int give_up_rights() {
  (void)::prctl(PR_SET_NAME, "handoff-keeper");
  // A signal to the service's group is not for its keeper.
  (void)::setsid();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {  // the kernel bounds fds on their way by it
    files.rlim_cur = files.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &files);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  if (::syscall(SYS_capset, &header, none) != 0) return errno;
  return confine();
}

}  // namespace

void Keeper::keep(Shared& shared) {
  Files files{.control = shared.control,
              .pidfd = shared.pidfd,
              .status = shared.status,
              .folder = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/proc/self/fd",
                                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)),
              .memory = shared.memory,
              .cookie = shared.cookie,
              .of_pidfd = {},
              .of_status = {},
              .of_folder = {},
              .of_memory = {},
              .asker = shared.mailbox ? -1 : shared.control,
              .asker_cookie = shared.cookie};
  int error = files.folder < 0 ? errno : give_up_rights();
  if (error == 0 &&
      !(look_at(files.pidfd, files.of_pidfd) && look_at(files.status, files.of_status) &&
        look_at(files.folder, files.of_folder))) {
    error = EBADF;
  }
  if (files.memory >= 0 && !look_at(files.memory, files.of_memory)) files.memory = -1;
  if (error == 0 && !files.own()) error = EBADF;
  wake(shared.ready, error == 0 ? 1 : -error);
  if (error != 0) ::_exit(1);
  const pid_t self = static_cast<pid_t>(::syscall(SYS_getpid));
  bool dead = false;
  for (;;) {
    // A negative fd is left out by poll(2).
    pollfd ready[3] = {{shared.mailbox ? files.control : -1, POLLIN, 0},
                       {files.asker, POLLIN, 0},
                       {dead ? -1 : files.pidfd, POLLIN, 0}};
    const int patience = !dead ? kLookMs : files.asker < 0 ? kOrphanMs : -1;
    const int n = ::poll(ready, 3, patience);
    if (!files.own()) ::_exit(0);
    if (!dead && at_rest(files)) {
      dead = true;
      close_channels(files);
    }
    if (shared.over != 0) ::_exit(0);
    if (n == 0 && patience == kOrphanMs) ::_exit(0);
    // More than 0: the tables differ. An error (no permission, no kcmp) says nothing.
    if (!dead && ::syscall(SYS_kcmp, self, shared.service, KCMP_FILES, 0, 0) > 0) ::_exit(0);
    if (shared.mailbox) hear_newest(files);
    if (files.asker >= 0 && !answer(files, dead)) files.hang_up();
  }
}

Result<Keeper> Keeper::start(UniqueFd control, int memory) {
  const auto cookie = cookie_of(control.get());
  if (!cookie) return fail(-EBADF, "the keeper's socket is none");
  if (::fcntl(control.get(), F_SETFD, FD_CLOEXEC) < 0) return fail_errno("the keeper's socket");
  const pid_t self = ::getpid();
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, self, 0)));
  if (!pidfd.valid()) return fail_errno("pidfd_open");
  UniqueFd status(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (!status.valid()) return fail_errno("/proc/self/status");
  void* const at =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fail_errno("memory for a keeper");
  Keeper out;
  out.shared_ = new (at) Shared{.ready = 0,
                                .over = 0,
                                .service = self,
                                .control = control.get(),
                                .pidfd = pidfd.get(),
                                .status = status.get(),
                                .memory = memory,
                                .mailbox = type_of(control.get()) == SOCK_DGRAM,
                                .cookie = *cookie};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  const long child = ::syscall(SYS_clone, CLONE_FILES | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) keep(*out.shared_);
  const int error = errno;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) {
    const char* why = error == EINVAL ? "the first process of a PID namespace can't have a keeper"
                                      : "making a keeper";
    return Failure(Error::from_errno(error, why));
  }
  out.pid_ = static_cast<pid_t>(child);
  const timespec second{1, 0};
  while (out.shared_->ready == 0) {
    if (::syscall(SYS_futex, &out.shared_->ready, FUTEX_WAIT, 0, &second, nullptr, 0) < 0 &&
        errno == ETIMEDOUT) {
      break;
    }
  }
  const int ready = out.shared_->ready;
  if (ready != 1) {
    out.dismiss();
    return Failure(Error::from_errno(ready < 0 ? -ready : ETIMEDOUT, "the keeper's start"));
  }
  // They are the keeper's from now on, in the table that it shares.
  (void)control.release();
  (void)pidfd.release();
  (void)status.release();
  return out;
}

Keeper::Keeper(Keeper&& other) noexcept
    : shared_(std::exchange(other.shared_, nullptr)), pid_(std::exchange(other.pid_, -1)) {}

Keeper::~Keeper() {
  if (shared_ != nullptr) ::munmap(shared_, sizeof(Shared));
}

void Keeper::dismiss() const { shared_->over = 1; }

}  // namespace handoff::vault
