// The happy path: everything that needs memory is made ready, fork(2), the child arranges its fds
// and signals with async-signal-safe calls only (libuv has threads), execveat(2) of the release's
// own fd; the pipe, close-on-exec, reads EOF. The failures: a child that can't go on writes the
// step and errno into the pipe and ends with 127. pidfd_open(2) can't hit a stranger: the pid is
// ours until we reap it.
#include "supervisor/processes/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>
#include <optional>
#include <string_view>

#include "libhandoff/sys/environment.h"
#include "libhandoff/sys/failpoint.h"
#include "supervisor/base/folder_variables.h"
#include "supervisor/host/kept_fds.h"
#include "supervisor/releases/release_files.h"

extern char** environ;

namespace handoff::supervisor {
namespace {

std::optional<rlimit>& original_limit() {
  static std::optional<rlimit> limit;
  return limit;
}

enum class Step : int { kChdir, kFds, kExec };
struct ChildError {
  Step step = Step::kExec;
  int error = 0;
};

// Not for services: the supervisor's own relation to whoever started it, and where its sockets and
// files are. A service that is to give commands gets the latter by `env` of the config.
bool withheld(std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  return name == "NOTIFY_SOCKET" || name.starts_with("LISTEN_") || name.starts_with("WATCHDOG_") ||
         name == kKeptVariable || name == "HANDOFF_MARK" || names_folder(name) ||
         std::ranges::find(handoff::environment::kOfSupervisor, name) !=
             std::end(handoff::environment::kOfSupervisor);
}

constexpr std::string_view kPidVariable = "HANDOFF_PID=";
constexpr std::size_t kPidRoom = 20;

struct Strings {
  std::vector<std::string> texts;
  std::vector<char*> pointers;
  void seal() {
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
  }
};

Strings environment(const SpawnPlan& plan) {
  Strings out;
  // The first one, so that the child finds it; the child writes its own pid into it.
  out.texts.push_back(std::string(kPidVariable) + std::string(kPidRoom, '\0'));
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (withheld(text) || plan.environment.contains(std::string(text.substr(0, text.find('='))))) {
      continue;
    }
    out.texts.emplace_back(text);
  }
  for (const auto& [name, value] : plan.environment) out.texts.push_back(name + "=" + value);
  out.texts.push_back("HANDOFF_FD=" + std::to_string(plan.control_fd));
  out.texts.push_back("HANDOFF_SERVICE=" + plan.service);
  out.texts.push_back("HANDOFF_GENERATION=" + std::to_string(plan.generation));
  out.texts.push_back("HANDOFF_RETURN=" + plan.report_path);
  // What children inherit, whatever the library takes out of the environment.
  out.texts.push_back("HANDOFF_MARK=" + plan.service + " " + std::to_string(plan.generation) + " " +
                      plan.report_path);
  if (!plan.mailbox.empty()) out.texts.push_back("HANDOFF_MAILBOX=" + plan.mailbox);
  out.seal();
  return out;
}

struct Child {
  int file;
  const char* path;  // null: file is executed
  bool script;
  int control;
  const int* kept;
  std::size_t kept_count;
  int null;
  int error;
  int cgroup;    // -1: none
  int go;        // the child's end
  int go_other;  // and the parent's, which the child must not hold
  const char* working_dir;
  char* pid_text;  // kPidRoom bytes
  char* const* argv;
  char* const* envp;
};

[[noreturn]] void give_up(const Child& child, Step step) {
  const ChildError error{step, errno};
  // If the pipe is gone nobody wants to know.
  (void)!::write(child.error, &error, sizeof error);
  ::_exit(127);
}

// Only async-signal-safe calls from here to execveat.
[[noreturn]] void run_child(const Child& child) {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    (void)::sigaction(number, &standard, nullptr);  // SIGKILL and SIGSTOP can't be set, nor need to
  }
  // As systemd leaves it to its services (IgnoreSIGPIPE=): a log that nobody reads, or a client
  // that has gone, is no reason to end.
  standard.sa_handler = SIG_IGN;
  (void)::sigaction(SIGPIPE, &standard, nullptr);
  (void)::close(child.go_other);
  // Where that fails it is known by its session.
  if (child.cgroup >= 0) (void)!::write(child.cgroup, "0", 1);
  char go = 0;
  ssize_t told = 0;
  do {
    told = ::read(child.go, &go, 1);
  } while (told < 0 && errno == EINTR);
  if (told != 1) ::_exit(127);  // the supervisor died, or does not want it any more
  // A session of its own: Ctrl-C in the supervisor's terminal, or its hangup, is not for services.
  (void)::setsid();
  if (child.working_dir != nullptr && ::chdir(child.working_dir) < 0) give_up(child, Step::kChdir);
  if (::dup2(child.null, STDIN_FILENO) < 0) give_up(child, Step::kFds);
  // All of ours are close-on-exec anyway; this is for what a library may have opened.
  (void)::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::fcntl(child.control, F_SETFD, 0) < 0) give_up(child, Step::kFds);
  for (std::size_t i = 0; i < child.kept_count; ++i) {
    if (::fcntl(child.kept[i], F_SETFD, 0) < 0) give_up(child, Step::kFds);
  }
  const bool by_fd = child.path == nullptr;
  if (child.script && by_fd && ::fcntl(child.file, F_SETFD, 0) < 0) give_up(child, Step::kFds);
  if (const auto& limit = original_limit()) (void)::setrlimit(RLIMIT_NOFILE, &*limit);
  std::array<char, kPidRoom> digits{};
  std::size_t count = 0;
  for (pid_t rest = ::getpid(); rest > 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  for (std::size_t i = 0; i < count; ++i) child.pid_text[i] = digits[count - 1 - i];
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (const int error = failpoint::hit("supervisor.exec.before"); error != 0) {
    errno = error;
    give_up(child, Step::kExec);
  }
  if (by_fd) (void)::syscall(SYS_execveat, child.file, "", child.argv, child.envp, AT_EMPTY_PATH);
  if (!by_fd) (void)::execve(child.path, child.argv, child.envp);
  give_up(child, Step::kExec);
}

// What is executed, by its path or, if that is "", by the release's fd, and with which words.
struct Command {
  std::string path;
  std::vector<std::string> words;
};

// "$BUNDLE/app.py" of a release that came in a bundle: where the bundle was unpacked. Arguments
// stay as they are written, since the next bundle that comes without any inherits them.
std::optional<std::string> path_in_bundle(const Release& release, const std::string& arg) {
  constexpr std::string_view kBundle = "$BUNDLE";
  if (!release.folder || !arg.starts_with(kBundle)) return std::nullopt;
  const std::string rest = arg.substr(kBundle.size());
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  return release.folder->path() + rest;
}

// A script's interpreter is told how the script was executed, and many a script looks for its files
// from there: by an fd it would be told /dev/fd/N. Of copies all files are named where they lie.
Command command_of(const Release& release, const std::string& working_dir) {
  Command out;
  const auto place = [&release](const std::string& path) {
    const auto known = std::find_if(release.files.begin(), release.files.end(),
                                    [&path](const ReleaseFile& one) { return one.path == path; });
    return known != release.files.end() ? release.place_of(*known) : path;
  };
  if (release.script && release.lies_at(release.file_path)) out.path = release.file_path;
  if (release.script && (release.moved || !release.kept_root.empty())) {
    Shebang shebang = shebang_of(release.file.get());
    if (!shebang.words.empty()) {
      out.path = place(shebang.found);
      out.words = std::move(shebang.words);
    }
  }
  out.words.push_back(release.file_path);
  for (const std::string& arg : release.args) {
    if (auto in_bundle = path_in_bundle(release, arg)) {
      out.words.push_back(std::move(*in_bundle));
      continue;
    }
    const std::string path = absolute_in(working_dir, arg);
    const std::string placed = place(path);
    out.words.push_back(placed == path ? arg : placed);
  }
  return out;
}

}  // namespace

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max) return;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) original_limit() = limit;
}

void restore_file_limit() {
  if (const auto& limit = original_limit()) (void)::setrlimit(RLIMIT_NOFILE, &*limit);
}

Result<Spawned> spawn(const SpawnPlan& plan) {
  const Release& release = *plan.release;
  Strings argv;
  const Command command = command_of(release, plan.working_dir);
  argv.texts = command.words;
  argv.seal();
  Strings envp = environment(plan);
  int pipe[2] = {-1, -1};
  if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("pipe");
  Spawned spawned{.exec_error = UniqueFd(pipe[0])};
  const UniqueFd error(pipe[1]);
  int go[2] = {-1, -1};
  if (::pipe2(go, O_CLOEXEC) < 0) return fail_errno("pipe");
  const UniqueFd go_child(go[0]);
  spawned.go.reset(go[1]);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid()) return fail_errno("/dev/null");
  const Child child{.file = release.file.get(),
                    .path = command.path.empty() ? nullptr : command.path.c_str(),
                    .script = release.script,
                    .control = plan.control_fd,
                    .kept = plan.kept.data(),
                    .kept_count = plan.kept.size(),
                    .null = null.get(),
                    .error = error.get(),
                    .cgroup = plan.cgroup_procs,
                    .go = go_child.get(),
                    .go_other = spawned.go.get(),
                    .working_dir = plan.working_dir.empty() ? nullptr : plan.working_dir.c_str(),
                    .pid_text = envp.texts.front().data() + kPidVariable.size(),
                    .argv = argv.pointers.data(),
                    .envp = envp.pointers.data()};
  // No handler of ours may run in the child.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  spawned.pid = ::fork();
  if (spawned.pid == 0) run_child(child);
  const int fork_error = errno;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (spawned.pid < 0) return Failure(Error::from_errno(fork_error, "fork"));
  spawned.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, spawned.pid, 0)));
  if (!spawned.pidfd.valid()) {
    const int pidfd_error = errno;
    (void)::kill(spawned.pid, SIGKILL);  // unreaped, so it is ours; the reaper will see it
    return Failure(Error::from_errno(pidfd_error, "pidfd_open"));
  }
  return spawned;
}

Result<void> let_go(UniqueFd go) {
  // Into an empty pipe: it does not block, and can fail only if the child is gone, which is seen
  // elsewhere. SIGPIPE is ignored in this program.
  if (::write(go.get(), "g", 1) != 1) return fail_errno("starting the new process");
  return {};
}

std::string exec_error_text(int fd, const Release& release, bool& done) {
  ChildError error;
  ssize_t n = 0;
  do {
    n = ::read(fd, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  done = n >= 0 || errno != EAGAIN;
  if (n != sizeof error) return "";
  const std::string why = std::strerror(error.error);
  switch (error.step) {
    case Step::kChdir:
      return "can't enter its working directory: " + why;
    case Step::kFds:
      return "can't arrange its fds: " + why;
    case Step::kExec:
      break;
  }
  if (error.error == ENOEXEC) {
    return release.path + " is no executable: neither a program for this machine nor a #! script";
  }
  if (error.error == ENOENT) {
    return release.path +
           " can't run: its interpreter or loader does not exist, or /proc is not "
           "mounted, which scripts need here";
  }
  return release.path + " is no executable: " + why;
}

}  // namespace handoff::supervisor
