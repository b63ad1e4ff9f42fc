// The service of kit_outgoing.h on poll.h.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "handoff/poll.h"
#include "kit_outgoing.h"
#include "poll_kit.h"
#include "support/clients/sockets.h"

namespace handoff::test {
namespace {

const OutgoingOptions& options_of(const handoff_conn_t* c) {
  return *static_cast<const OutgoingOptions*>(handoff_conn_context(c));
}
const char* version_of(const handoff_conn_t* c) { return options_of(c).version.c_str(); }
int again(handoff_conn_t* c) {
  handoff_conn_t* out = nullptr;
  return handoff_poll_connect(handoff_conn_poll(c), "uplink", options_of(c).upstream.c_str(),
                              nullptr, &out);
}

}  // namespace

int run_outgoing_on_poll(const OutgoingOptions& options) {
  const PollKit kit(options.version);
  handoff_poll_t* const p = kit.kit;
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.kind = "uplink";
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) -> std::size_t {
    const auto* const end = static_cast<const char*>(std::memchr(data, '\n', length));
    if (end == nullptr) return 0;
    const auto size = static_cast<std::size_t>(end - data) + 1;
    const std::string line(data, size);
    if (line == "hold\n") handoff_conn_hold(c);
    if (line == "release\n") handoff_conn_release(c);
    const std::string said = line == "again\n" ? std::to_string(again(c)) + "\n" : line;
    handoff_conn_printf(c, "%s %s", version_of(c), said.c_str());
    return size;
  };
  ops.closed = ops.moved = [](handoff_conn_t* c) { again(c); };
  ops.connected = [](handoff_conn_t* c) {
    handoff_conn_printf(c, "connected to by %s\n", version_of(c));
  };
  ops.refused = [](handoff_conn_t*, int error) { ::_exit(error == ECONNREFUSED ? 42 : 43); };
  auto* const context = const_cast<OutgoingOptions*>(&options);
  if (handoff_poll_outgoing(p, &ops, context) < 0) return 2;
  if (handoff_poll_outgoing(p, &ops, context) != HANDOFF_ERR_DUPLICATE) return 4;
  handoff_conn_t* c = nullptr;
  if (handoff_poll_connect(p, "uplink", options.upstream.c_str(), nullptr, &c) !=
      HANDOFF_ERR_ORDER) {
    return 4;
  }
  if (const int result = handoff_poll_start(p); result < 0) {
    return result == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (handoff_generation(kit.service) == 1) {
    const int result =
        !options.adopts.empty()
            ? handoff_poll_adopt(p, "uplink", connect_unix(options.adopts, SOCK_STREAM).release(),
                                 nullptr, &c)
            : handoff_poll_connect(p, "uplink", options.upstream.c_str(), nullptr, &c);
    if (result == -ECONNREFUSED) return 42;  // told at once
    if (result < 0 || c == nullptr) return 2;
    if (handoff_poll_connect(p, "another", options.upstream.c_str(), nullptr, &c) !=
            HANDOFF_ERR_UNKNOWN ||
        handoff_poll_count(p) != 1) {
      return 4;
    }
  }
  return kit.run();
}

}  // namespace handoff::test
