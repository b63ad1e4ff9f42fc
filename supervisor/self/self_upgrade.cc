// The happy path: open the program once, on a thread, run it with --check, hear from it that it is
// a handoff that reads the state files of this one (trial.h), execveat(2) of the same open file,
// with the fds that are to live on no longer close-on-exec and named in the environment. The
// failures: whatever the check says or does not say in time; an exec that fails, after which the
// fds are close-on-exec again and this program goes on.
#include "supervisor/self/self_upgrade.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/sys/failpoint.h"
#include "supervisor/core/claim.h"
#include "supervisor/core/duration.h"
#include "supervisor/host/kept_fds.h"
#include "supervisor/loop/line_writer.h"
#include "supervisor/loop/thread_work.h"
#include "supervisor/processes/spawn.h"
#include "supervisor/releases/release_source.h"
#include "supervisor/self/started_path.h"
#include "supervisor/signing/signed_file.h"

extern char** environ;

namespace handoff::supervisor {
namespace {

constexpr std::size_t kMaxWords = 64 * 1024;

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> out;
  for (std::size_t at = 0; at < all.size();) {
    out.emplace_back(all.c_str() + at);
    at += out.back().size() + 1;
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

void execute(int program, char* const* argv, char* const* envp) {
  (void)::syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
}

// What was verified is what is tried, and what is executed: a copy in memory.
Result<UniqueFd> verified(const UniqueFd& file, const std::string& path,
                          const SelfUpgrade::Verify& verify) {
  auto copy = sealed_copy(file.get(), path);
  if (!copy) return Failure(copy.error());
  Result<Vouched> vouched = fail(-EKEYREJECTED, "no key");
  for (const std::string& key : verify.keys) {
    if (!vouched) vouched = verify_file(copy->get(), path, key);
  }
  if (!vouched) return Failure(vouched.error());
  const auto version = version_for(kProgram, *vouched, path);
  if (!version) return Failure(version.error());
  const std::string older = downgrade_problem(*version, HANDOFF_VERSION, "runs");
  if (!older.empty() && !verify.allow_downgrade) {
    return fail(-EKEYREJECTED, path + " " + older + kDowngradeAdvice);
  }
  return std::move(*copy);
}

// On a thread: a disk may take its time. Nobody needs to know the digest.
Result<UniqueFd> open_program(const std::string& path, const SelfUpgrade::Verify& verify) {
  if (const int error = failpoint::hit("supervisor.self.opening"); error != 0) {
    return Failure(Error::from_errno(error, "can't open " + path));
  }
  auto file = open_executable(path);
  if (file && is_script(file->get())) {
    return fail(-ENOEXEC, path + " is a script; a supervisor is a program");
  }
  return !file || verify.keys.empty() ? std::move(file) : verified(*file, path, verify);
}

bool close_on_exec(int fd, bool on) { return ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == 0; }

}  // namespace

SelfUpgrade::SelfUpgrade(uv_loop_t* loop, std::function<void(std::string)> done)
    : loop_(loop), done_(std::move(done)), arguments_(own_arguments()), patience_(loop, [this] {
        conclude("it did not end its check within " + format_duration(kCheckWithin));
      }) {}

SelfUpgrade::~SelfUpgrade() {
  if (pidfd_.valid()) (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

void SelfUpgrade::check(const std::string& path, const Verify& verify) {
  path_ = path.empty() ? started_path() : path;
  patience_.at(now() + kCheckWithin);
  const auto program = std::make_shared<Result<UniqueFd>>(fail(-ECANCELED, "not opened"));
  const auto open = [program, path = path_, verify] { *program = open_program(path, verify); };
  const auto after = [this, program, here = std::weak_ptr<bool>(here_)] {
    if (!here.expired()) opened(std::move(*program));
  };
  if (!on_a_thread(loop_, open, after)) conclude("no thread to open " + path_ + " on");
}

void SelfUpgrade::opened(Result<UniqueFd> program) {
  if (!program) return conclude(program.error().message);
  program_ = std::move(*program);
  if (arguments_.size() < 2 || arguments_[1] != "run") {
    return conclude("the options of this supervisor can't be read from /proc/self/cmdline");
  }
  std::vector<std::string> arguments = arguments_;
  arguments[0] = path_;
  arguments.insert(arguments.begin() + 2, "--check");
  const std::vector<char*> argv = pointers(arguments);
  const auto out = open_pipe(out_);
  if (!out) return conclude(out.error().message);
  const auto err = open_pipe(err_);
  if (!err) return conclude(err.error().message);
  checking_ = ::fork();
  if (checking_ == 0) {
    (void)::setsid();
    restore_file_limit();
    if (::dup2(err->get(), STDERR_FILENO) >= 0 && ::dup2(out->get(), STDOUT_FILENO) >= 0) {
      execute(program_.get(), argv.data(), environ);
    }
    ::_exit(127);
  }
  if (checking_ < 0) return conclude(std::string("fork: ") + std::strerror(errno));
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, checking_, 0)));
}

// Returns the end that the check writes to.
Result<UniqueFd> SelfUpgrade::open_pipe(Words& to) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno("pipe");
  to.fd.reset(ends[0]);
  UniqueFd theirs(ends[1]);
  if (::fcntl(to.fd.get(), F_SETFL, O_NONBLOCK) < 0) return fail_errno("pipe");
  to.poll = std::make_unique<Poll>(loop_, to.fd.get(), [&to](int) { (void)read(to); });
  to.poll->watch(UV_READABLE);
  return theirs;
}

// One chunk; false if that was the last one. A program that says more than is kept is not heard any
// longer: nobody reads, so it waits until its time is over.
bool SelfUpgrade::read(Words& from) {
  std::array<char, 1024> chunk{};
  const ssize_t n = ::read(from.fd.get(), chunk.data(), chunk.size());
  if (n > 0) from.text.append(chunk.data(), static_cast<std::size_t>(n));
  const bool later = n < 0 && (errno == EAGAIN || errno == EINTR);
  const bool enough = from.text.size() >= kMaxWords;
  if (enough || (n <= 0 && !later)) from.poll->watch(0);
  return n > 0 && !enough;
}

bool SelfUpgrade::ended(pid_t pid, const Exit& exit) {
  if (pid != checking_) return false;
  checking_ = -1;
  pidfd_.reset();
  for (Words* words : {&out_, &err_}) {
    while (read(*words)) {
    }
  }
  std::string said = !err_.text.empty() ? err_.text : out_.text;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (!exit.signalled && exit.number == 0) {
    const std::string why = trial_problem(out_.text);
    conclude(why.empty() ? "" : path_ + " " + why);
  } else if (!exit.signalled && exit.number == 127 && said.empty()) {
    conclude(path_ + " is no program for this machine");
  } else {
    conclude(path_ + " " + describe(exit) + " when it was tried" +
             (said.empty() ? "" : ": " + said));
  }
  return true;
}

void SelfUpgrade::conclude(std::string why) {
  patience_.at(std::nullopt);
  out_.poll.reset();
  err_.poll.reset();
  // done may destroy this object.
  const auto done = std::exchange(done_, nullptr);
  if (done) done(std::move(why));
}

std::string SelfUpgrade::take_over(const std::map<std::string, int>& fds) const {
  std::vector<std::string> arguments = arguments_;
  arguments[0] = path_;
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  variables.push_back(std::string(kKeptVariable) + "=" + KeptFds::describe(fds));
  spdlog::default_logger()->flush();  // its thread ends with the exec
  // What nobody has read by then is told of by the successor.
  if (const std::size_t lines = LineWriter::unwritten_lines(); lines > 0) {
    variables.push_back(std::string(kLeftOutVariable) + "=" + std::to_string(lines));
  }
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(variables);
  const auto keep_to_this_program = [&fds] {
    for (const auto& [name, fd] : fds) (void)close_on_exec(fd, true);
  };
  for (const auto& [name, fd] : fds) {
    if (close_on_exec(fd, false)) continue;
    std::string why = name + ": " + std::strerror(errno);
    keep_to_this_program();
    return why;
  }
  restore_file_limit();
  int error = failpoint::hit("supervisor.self.before");
  if (error == 0) {
    execute(program_.get(), argv.data(), envp.data());
    error = errno;
  }
  raise_file_limit();
  keep_to_this_program();
  return path_ + " can't be executed: " + std::strerror(error);
}

}  // namespace handoff::supervisor
