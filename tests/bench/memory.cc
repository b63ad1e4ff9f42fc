// The memory that the library keeps for a session besides its state: malloc'd bytes of a process of
// its own that opens 19,000 sessions through the C interface. The sessions are the ends of socket
// pairs, so that the process has no other fds.
#include <handoff/handoff.h>
#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "benches.h"
#include "herd.h"
#include "partner.h"
#include "process_figures.h"
#include "sockets.h"
#include "subject.h"

namespace bench {
namespace {

void check(int result) {
  if (result < 0) throw std::runtime_error(std::string("memory: ") + handoff_strerror(result));
}

std::size_t allocated() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

}  // namespace

int sessions_in_memory() {
  raise_fd_limit();
  const auto order = hear(kRoleSocket);
  if (!order) return 1;
  handoff_options options{};
  options.size = sizeof options;
  options.name = "memory";
  options.version = "1";
  handoff_t* service = nullptr;
  check(handoff_open(&service, &options));
  handoff_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.save = [](void*, std::uint64_t, handoff_saved_t* out) {
    return handoff_save_state(out, "", 0);
  };
  callbacks.restore = [](void*, const handoff_adopted*) { return 0; };
  check(handoff_set_callbacks(service, &callbacks, nullptr));
  check(handoff_ready(service));
  check(handoff_wait(service, -1));
  handoff_session_options session{};
  session.size = sizeof session;
  session.flags = HANDOFF_SESSION_TRACKED;
  const std::size_t before = allocated();
  for (std::size_t left = order->body.at("sessions"); left > 0;
       left -= std::min<std::size_t>(2, left)) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) < 0)
      throw std::runtime_error("socketpair");
    for (const int fd : pair) {
      std::uint64_t id = 0;
      check(handoff_session_open(service, fd, &session, &id));
    }
  }
  say(kRoleSocket, {{"bytes", allocated() - before}});
  hear(kRoleSocket);
  handoff_close(service);
  return 0;
}

void memory(const Options& options, Report& report) {
  const std::size_t sessions = options.sessions(19000) & ~std::size_t{1};
  if (const std::string why = too_many(sessions); !why.empty()) {
    report.add(not_run("memory", "library, for a session", why));
    return;
  }
  const auto per_session = [sessions](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(sessions);
  };
  std::vector<double> library;
  std::vector<double> whole;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("memory: run " + std::to_string(run));
    Partner process("sessions-in-memory");
    library.push_back(per_session(process.ask({{"sessions", sessions}}).body.at("bytes")));

    Subject service("bench_service");
    const pid_t pid = service.supervisor().service_pid();
    const std::uint64_t before = rss_bytes(pid);
    Herd clients;
    clients.connect(service.port(), sessions);
    service.wait_for_sessions(sessions);
    whole.push_back(per_session(rss_bytes(pid) - before));
  }
  Row row = alone("memory", "library, for a session", Unit::kBytes, library);
  row.target = at_most(512);
  report.add(std::move(row));
  report.add(alone("memory", "  bench service in all (RSS)", Unit::kBytes, whole));
}

}  // namespace bench
