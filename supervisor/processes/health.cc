#include "supervisor/processes/health.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "libhandoff/core/address.h"
#include "libhandoff/sys/socket.h"
#include "supervisor/core/duration.h"
#include "supervisor/processes/http_status.h"
#include "supervisor/processes/spawn.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kStatusLine = 512;  // "HTTP/1.1 200 OK" is what is looked for

// The host is what was configured, but a wildcard is no name for anybody.
std::string request_for(const std::string& path) {
  return "GET " + path + " HTTP/1.0\r\nHost: localhost\r\nUser-Agent: handoff\r\n\r\n";
}

}  // namespace

HealthWatch::HealthWatch(uv_loop_t* loop, HealthCheck check, Heard heard)
    : loop_(loop),
      check_(std::move(check)),
      heard_(std::move(heard)),
      next_(loop, [this] { begin(); }),
      patience_(loop, [this] {
        conclude(false, "no answer within " + format_duration(check_.timeout));
      }) {}

HealthWatch::~HealthWatch() { let_go(); }

void HealthWatch::watch(Generation generation, pid_t pid, const std::string& address) {
  if (generation == generation_) return;
  let_go();
  generation_ = generation;
  pid_ = pid;
  address_ = address;
  const bool asks = generation != 0 && check_.kind != HealthCheck::Kind::kNone &&
                    check_.kind != HealthCheck::Kind::kService;
  next_.at(asks ? std::optional(now()) : std::nullopt);
}

void HealthWatch::set_check(HealthCheck check) {
  if (check == check_) return;
  let_go();
  generation_ = 0;
  check_ = std::move(check);
}

void HealthWatch::let_go() {
  asking_ = false;
  poll_.reset();
  socket_.reset();
  connected_ = false;
  answer_.clear();
  next_.at(std::nullopt);
  patience_.at(std::nullopt);
  if (program_ > 0) (void)::kill(-program_, SIGKILL);  // a child: its pid is its own till reaped
  program_ = -1;
}

void HealthWatch::begin() {
  asking_ = true;
  patience_.at(now() + check_.timeout);
  if (check_.kind == HealthCheck::Kind::kExec) {
    run();
  } else {
    connect();
  }
}

// ---- tcp, http ------------------------------------------------------------------------------

void HealthWatch::connect() {
  const auto address = core::parse_address(address_);
  if (!address) return conclude(false, address.error());
  auto socket = handoff::io::connect_address(*address);
  if (!socket) return conclude(false, socket.error().message);
  socket_ = std::move(*socket);
  poll_ = std::make_unique<Poll>(loop_, socket_.get(), [this](int events) { ready(events); });
  poll_->watch(UV_WRITABLE);
}

void HealthWatch::ready(int) {
  if (connected_) return read_answer();
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length) < 0) error = errno;
  if (error != 0) {
    return conclude(false, "connecting to " + address_ + ": " + std::strerror(error));
  }
  if (check_.kind == HealthCheck::Kind::kTcp) return conclude(true, "");
  connected_ = true;
  const std::string request = request_for(check_.path);
  // A new socket has room for all of it.
  if (::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return conclude(false, "asking " + address_ + ": " + std::strerror(errno));
  }
  poll_->watch(UV_READABLE);
}

void HealthWatch::read_answer() {
  std::array<char, kStatusLine> chunk{};
  const ssize_t n = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const std::string asked = "GET " + check_.path + " at " + address_;
  if (n < 0) return conclude(false, asked + ": " + std::strerror(errno));
  answer_.append(chunk.data(), static_cast<std::size_t>(n));
  const bool whole = answer_.find('\n') != std::string::npos || answer_.size() >= kStatusLine;
  if (n > 0 && !whole) return;
  const int status = http_status(answer_);
  if (status == 0) return conclude(false, asked + ": what came back is not HTTP");
  conclude(status >= 200 && status < 300, asked + ": status " + std::to_string(status));
}

// ---- exec -----------------------------------------------------------------------------------

void HealthWatch::run() {
  std::vector<char*> argv;
  argv.reserve(check_.command.size() + 1);
  for (std::string& word : check_.command) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string pid = std::to_string(pid_);
  program_ = ::fork();
  if (program_ < 0) {
    const int error = errno;
    program_ = -1;
    return conclude(false, std::string("fork: ") + std::strerror(error));
  }
  if (program_ == 0) {
    (void)::setsid();  // so that it can be ended with all that it has started
    restore_file_limit();
    ::setenv("HANDOFF_CHECK_PID", pid.c_str(), 1);
    ::setenv("HANDOFF_CHECK_ADDRESS", address_.c_str(), 1);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) (void)::dup2(null, STDIN_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
}

bool HealthWatch::ended(pid_t pid, const Exit& exit) {
  if (pid != program_) return false;
  program_ = -1;
  const bool healthy = !exit.signalled && exit.number == 0;
  conclude(healthy, check_.command.front() + " " + describe(exit));
  return true;
}

void HealthWatch::conclude(bool healthy, const std::string& why) {
  if (!std::exchange(asking_, false)) return;
  const Generation generation = generation_;
  let_go();
  next_.at(now() + check_.interval);
  heard_({generation, healthy, healthy ? "" : "the health check fails: " + why});
}

}  // namespace handoff::supervisor
