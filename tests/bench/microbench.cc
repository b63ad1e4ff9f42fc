// handoff-microbench: the parts of a handoff within one process, measured by Google Benchmark.
//
//   handoff-microbench [--benchmark_filter=Sessions] ...
#include <benchmark/benchmark.h>
#include <handoff/handoff.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/memory.h"

namespace {

using handoff::protocol::Session;

constexpr int kBatch = 253;  // the fds of one frame

Session record(std::uint64_t id, const std::string& state) {
  return {.id = id, .has_fd = true, .state = state, .inode = 1'000'000 + id};
}

// A frame with as many sessions as fit, each with this state.
std::string frame_of(const std::string& state, std::int64_t& sessions) {
  std::string body;
  sessions = 0;
  while (sessions < kBatch && body.size() < handoff::protocol::kBatchBody) {
    handoff::protocol::append(body, record(static_cast<std::uint64_t>(++sessions), state));
  }
  return body;
}

void SessionsEncode(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 's');
  std::int64_t sessions = 0;
  for (auto _ : state) benchmark::DoNotOptimize(frame_of(bytes, sessions));
  state.SetItemsProcessed(state.iterations() * sessions);
}
BENCHMARK(SessionsEncode)->Arg(0)->Arg(64)->Arg(1024)->Arg(16384);

void SessionsDecode(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 's');
  std::int64_t sessions = 0;
  const std::string body = frame_of(bytes, sessions);
  for (auto _ : state) {
    const auto decoded = handoff::protocol::decode<handoff::protocol::Sessions>(body);
    if (!decoded) state.SkipWithError("the frame can't be read");
    benchmark::DoNotOptimize(decoded);
  }
  state.SetItemsProcessed(state.iterations() * sessions);
}
BENCHMARK(SessionsDecode)->Arg(0)->Arg(64)->Arg(1024)->Arg(16384);

// A release with some kinds and listeners, and versions of two bytes.
handoff::protocol::Hello hello() {
  return {.protocol_min = 1,
          .protocol_max = 1,
          .handoff_id = 77,
          .manifest = {.service = "chat",
                       .release = "2.0",
                       .kinds = {{"session", false, 2, {1, 2}, {2, 1}},
                                 {"upload", false, 300, {1, 2, 300}, {300}},
                                 {"rooms", true, 0, {3}, {3, 300}}},
                       .named = {{"public", "tcp:127.0.0.1:7000", 4026531840, 9, 0},
                                 {"admin", "unix:/run/chat/admin.sock", 4026531841, 9, 1},
                                 {"log", "", 5, 64768, 2}}},
          .sessions = 19000,
          .fds_max = 20000,
          .links = true};
}

void HelloEncode(benchmark::State& state) {
  const auto message = hello();
  for (auto _ : state) benchmark::DoNotOptimize(encode(message));
}
BENCHMARK(HelloEncode);

void HelloDecode(benchmark::State& state) {
  const std::string body = encode(hello());
  for (auto _ : state) {
    const auto decoded = handoff::protocol::decode<handoff::protocol::Hello>(body);
    if (!decoded) state.SkipWithError("the message can't be read");
    benchmark::DoNotOptimize(decoded);
  }
}
BENCHMARK(HelloDecode);

void Checksum(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 's');
  for (auto _ : state) benchmark::DoNotOptimize(handoff::io::checksum(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Checksum)->Arg(1024)->Arg(204800)->Arg(1 << 20);

// A service without a supervisor, through the C interface.
class Service {
 public:
  Service() {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "microbench";
    options.version = "1";
    handoff_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.save = [](void*, std::uint64_t, handoff_saved_t* out) {
      return handoff_save_state(out, "", 0);
    };
    callbacks.restore = [](void*, const handoff_adopted*) { return 0; };
    ok_ = handoff_open(&handle_, &options) == 0 &&
          handoff_set_callbacks(handle_, &callbacks, nullptr) == 0 && handoff_ready(handle_) == 0 &&
          handoff_wait(handle_, -1) == 0;
  }
  ~Service() {
    handoff_close(handle_);
    for (const int fd : fds_) ::close(fd);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  bool ok() const { return ok_; }
  std::uint64_t open_session(int fd) const {
    handoff_session_options options{};
    options.size = sizeof options;
    options.flags = HANDOFF_SESSION_TRACKED;
    std::uint64_t id = 0;
    handoff_session_open(handle_, fd, &options, &id);
    return id;
  }
  std::uint64_t open_session() { return open_session(new_fd()); }
  int new_fd() {
    fds_.push_back(::eventfd(0, EFD_CLOEXEC));
    return fds_.back();
  }
  handoff_t* handle() const { return handle_; }

 private:
  handoff_t* handle_ = nullptr;
  std::vector<int> fds_;
  bool ok_ = false;
};

// Opens and closes a session while so many others are open.
void SessionOpenAndClose(benchmark::State& state) {
  Service service;
  if (!service.ok()) state.SkipWithError("no service");
  for (std::int64_t i = 0; i < state.range(0); ++i) service.open_session();
  const int fd = service.new_fd();
  for (auto _ : state) handoff_session_closed(service.handle(), service.open_session(fd));
}
BENCHMARK(SessionOpenAndClose)->Arg(0)->Arg(19000);

void SessionTouch(benchmark::State& state) {
  Service service;
  if (!service.ok()) state.SkipWithError("no service");
  std::vector<std::uint64_t> ids;
  for (std::int64_t i = 0; i < state.range(0); ++i) ids.push_back(service.open_session());
  std::size_t next = 0;
  for (auto _ : state) {
    next = (next + 7919) % ids.size();  // far from the one before, so that caches don't help
    handoff_session_touch(service.handle(), ids[next]);
  }
}
BENCHMARK(SessionTouch)->Arg(1)->Arg(19000);

}  // namespace

BENCHMARK_MAIN();
