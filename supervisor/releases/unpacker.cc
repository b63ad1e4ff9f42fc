// The happy path: clone(2) gives the child and its pidfd at once, the child arranges its fds with
// async-signal-safe calls only, execveat(2); the pipe has the answer and then EOF. The failures: a
// child that could not become the program writes why, in the same form; one that died says nothing.
// In each case it is ended before anybody looks at the folder. The supervisor's reaper waits for
// any child, so who of the two reaps this one is left open.
#include "supervisor/releases/unpacker.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

#include "libhandoff/sys/process.h"
#include "supervisor/releases/own_program.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kLongestAnswer = 64 * 1024;
constexpr int kFolder = 3;
constexpr int kAboveThose = 10;

struct Child {
  int program;
  int archive;
  int folder;
  int answer;
  pid_t parent;
  rlim_t largest_file;
  char* const* argv;
  char* const* envp;
};

// Only async-signal-safe calls.
[[noreturn]] void run_child(const Child& child) {
  // Without its supervisor it has no work, and would write where the next one cleans up.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != child.parent) ::_exit(127);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) (void)::sigaction(number, &standard, nullptr);
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const rlimit size{child.largest_file, child.largest_file};
  (void)::setrlimit(RLIMIT_FSIZE, &size);
  (void)::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::dup2(child.archive, STDIN_FILENO) >= 0 && ::dup2(child.answer, STDOUT_FILENO) >= 0 &&
      ::dup2(child.folder, kFolder) >= 0) {
    sigset_t none;
    sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
    (void)::syscall(SYS_execveat, child.program, "", child.argv, child.envp, AT_EMPTY_PATH);
  }
  std::array<char, 16> text{'-'};
  const auto end = std::to_chars(text.data() + 1, text.data() + text.size(), errno).ptr;
  (void)!::write(child.answer, text.data(), static_cast<std::size_t>(end - text.data()));
  ::_exit(127);
}

// The pidfd. clone(2), since clone3(2) is filtered in many a container.
Result<UniqueFd> start(const Child& child) {
  // No handler of ours may run in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const long pid = ::syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, nullptr, &pidfd, nullptr, nullptr);
  if (pid == 0) run_child(child);
  const int error = errno;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Failure(Error::from_errno(error, "starting handoff-unpack"));
  return UniqueFd(pidfd);
}

Result<UniqueFd> above(int fd) {
  UniqueFd out(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveThose));
  if (!out.valid()) return fail_errno("unpacking");
  return out;
}

// Nothing of the supervisor's environment but what the loader may need for the libraries.
std::string library_path() {
  const char* path = std::getenv("LD_LIBRARY_PATH");  // never set
  return std::string("LD_LIBRARY_PATH=") + (path != nullptr ? path : "");
}

std::string read_to_end(int fd) {
  std::string out;
  std::array<char, 4096> chunk;
  while (out.size() < kLongestAnswer) {
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    out.append(chunk.data(), static_cast<std::size_t>(n));
  }
  return out;
}

// The unpacker has closed its pipe: it has ended, or has nothing more to do.
void end(int pidfd) {
  (void)io::kill_process(pidfd);
  pollfd gone{pidfd, POLLIN, 0};
  while (::poll(&gone, 1, -1) < 0 && errno == EINTR) {
  }
  siginfo_t ignored{};
  (void)::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ignored, WEXITED | WNOHANG);
}

Result<void> understand(const std::string& answer) {
  int code = 0;
  const auto [rest, error] = std::from_chars(answer.data(), answer.data() + answer.size(), code);
  if (error != std::errc() || code > 0) {
    return fail(-EBADMSG,
                "it is not unpacked: handoff-unpack died while it read it (a mistake in it, or too "
                "little memory)");
  }
  if (code == 0) return {};
  const auto at = static_cast<std::size_t>(rest - answer.data());
  if (at == answer.size()) return Failure(Error::from_errno(-code, "running handoff-unpack"));
  return fail(code, answer.substr(at + 1));
}

// -1 where it is not there. Two services may unpack at the same time, on two threads.
Result<int> held_unpacker() {
  static std::mutex mutex;
  static UniqueFd program;
  const std::lock_guard lock(mutex);
  if (!program.valid()) {
    auto opened = open_unpacker();
    if (!opened) return Failure(opened.error());
    program = std::move(*opened);
  }
  return program.get();
}

}  // namespace

Result<UniqueFd> open_unpacker() {
  auto opened = open_own_program("handoff-unpack", "bundles can't be unpacked");
  if (!opened) return Failure(opened.error());
  return std::move(opened->file);
}

Result<void> hold_unpacker() {
  if (auto held = held_unpacker(); !held) return Failure(held.error());
  return {};
}

Result<void> unpack_bundle(int fd, int folder, const UnpackLimits& limits) {
  const auto program = held_unpacker();
  if (!program) return Failure(program.error());
  return unpack_bundle_with(*program, fd, folder, limits);
}

Result<void> unpack_bundle_with(int program, int fd, int folder, const UnpackLimits& limits) {
  const auto archive = above(fd);
  const auto into = above(folder);
  if (!archive || !into) return Failure(archive ? into.error() : archive.error());
  int pipe[2] = {-1, -1};
  if (::pipe2(pipe, O_CLOEXEC) < 0) return fail_errno("pipe");
  const UniqueFd answer(pipe[0]);
  UniqueFd written(pipe[1]);
  auto theirs = above(written.get());
  const auto binary = above(program);
  if (!theirs || !binary) return Failure(theirs ? binary.error() : theirs.error());
  std::string words[] = {"handoff-unpack", std::to_string(limits.bytes),
                         std::to_string(limits.entries), std::to_string(limits.path)};
  char* const argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                        nullptr};
  std::string variable = library_path();
  char* const envp[] = {variable.data(), nullptr};
  auto pidfd = start({.program = binary->get(),
                      .archive = archive->get(),
                      .folder = into->get(),
                      .answer = theirs->get(),
                      .parent = ::getpid(),
                      .largest_file = limits.bytes,
                      .argv = argv,
                      .envp = envp});
  if (!pidfd) return Failure(pidfd.error());
  theirs->reset();
  written.reset();
  const std::string text = read_to_end(answer.get());
  end(pidfd->get());
  return understand(text);
}

}  // namespace handoff::supervisor
