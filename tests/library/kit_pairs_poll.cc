// Pairs on poll.h, for kit_pairs.h. The upstream has no input() and no ended() of its own: poll.h
// relays.
#include <string>
#include <string_view>

#include "handoff/poll.h"
#include "kit_pairs.h"
#include "poll_kit.h"

namespace handoff::test {
namespace {

const PairOptions& options_of(const handoff_conn_t* c) {
  return *static_cast<const PairOptions*>(handoff_conn_context(c));
}

struct Relay {
  bool tried = false;
};
void make(handoff_conn_t* c) { handoff_conn_set_user(c, new Relay()); }

int opened(handoff_conn_t* c) {
  make(c);
  const PairOptions& options = options_of(c);
  if (options.upstream.empty()) return 0;
  return handoff_conn_connect_upstream(c, options.upstream.c_str());
}

std::size_t input(handoff_conn_t* c, const char* data, std::size_t length) {
  const std::string_view bytes(data, length);
  const PairOptions& options = options_of(c);
  handoff_conn_t* const upstream = handoff_conn_upstream(c);
  if (bytes == "hold\n") handoff_conn_hold(c);
  if (bytes == "release\n") handoff_conn_release(c);
  if (bytes == "go\n") {
    if (handoff_conn_connect_upstream(c, options.second.c_str()) < 0) handoff_conn_close(c);
  } else if (bytes == "fill and end\n") {
    const std::string fill(kFill, 'x');
    handoff_conn_write(upstream, fill.data(), fill.size());
    handoff_conn_end_output(upstream);
  } else if (bytes == "who\n") {
    handoff_conn_printf(c, "%s\n", options.version.c_str());
  } else {
    handoff_conn_write(upstream, data, length);
  }
  return length;
}

int restore(handoff_conn_t* c, const void*, std::size_t) {
  make(c);
  if (!options_of(c).refuses) return 0;
  handoff_reason(handoff_poll_service(handoff_conn_poll(c)), "the session's state was refused");
  return HANDOFF_ERR_REJECTED;
}

void refused(handoff_conn_t* upstream, int error) {
  handoff_conn_t* const c = handoff_conn_client(upstream);
  const PairOptions& options = options_of(c);
  Relay& relay = *static_cast<Relay*>(handoff_conn_user(c));
  if (!relay.tried && !options.second.empty()) {
    relay.tried = true;
    if (handoff_conn_connect_upstream(c, options.second.c_str()) == 0) return;
  }
  if (!options.apologizes) return;
  handoff_conn_printf(c, "no upstream: %d\n", error);
  handoff_conn_close(c);
}

}  // namespace

int run_pairs_on_poll(const PairOptions& options) {
  const PollKit kit(options.version);
  handoff_conn_ops upstream{};
  upstream.size = sizeof upstream;
  upstream.refused = refused;
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.opened = opened;
  ops.input = input;
  ops.save = [](handoff_conn_t*, handoff_saved_t* out) { return handoff_save_state(out, "", 0); };
  ops.restore = restore;
  ops.destroy = [](handoff_conn_t* c) {
    delete static_cast<Relay*>(handoff_conn_user(c));
    handoff_conn_set_user(c, nullptr);
  };
  ops.upstream = &upstream;
  if (handoff_poll_listen(kit.kit, "public", "tcp:127.0.0.1:0", &ops,
                          const_cast<PairOptions*>(&options)) < 0) {
    return 2;
  }
  return kit.run();
}

}  // namespace handoff::test
