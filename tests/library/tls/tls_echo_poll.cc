// The echo on tls_poll.h, as a service in C would have it.
#include <handoff/tls_poll.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../../unit/tls/peer.h"
#include "standing.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

const TlsEchoOptions& options_of(const handoff_conn_t* c) {
  return *static_cast<const TlsEchoOptions*>(handoff_conn_context(c));
}

int opened(handoff_conn_t* c) {
  const int result = options_of(c).lines ? handoff_conn_printf(c, "%s\n", "welcome") : 0;
  if (options_of(c).ends) handoff_conn_end_output(c);
  return result;
}

// With lines: whole ones.
std::size_t input(handoff_conn_t* c, const char* data, std::size_t length) {
  std::string_view text(data, length);
  if (options_of(c).lines) text = text.substr(0, text.rfind('\n') + 1);
  if (!text.empty()) handoff_conn_printf(c, "%s", options_of(c).name.c_str());
  handoff_conn_write(c, text.data(), text.size());
  if (text == "close\n") handoff_conn_close(c);
  if (text == "pause\n") handoff_conn_pause(c);
  if (text == "hold\n") handoff_conn_hold(c);
  if (text == "stand\n") {  // from the next turn of the loop on: the answer is sent by then
    handoff_poll_after(
        handoff_conn_poll(c), 0, [](void*) { Standing::instance().wait(); }, nullptr);
  }
  if (text == "go\n") Standing::instance().go();
  return text.size();
}

int save(handoff_conn_t* /*c*/, handoff_saved_t* out) { return handoff_save_state(out, "0", 1); }

int restore(handoff_conn_t* c, const void* /*state*/, std::size_t /*length*/) {
  return options_of(c).refuses ? HANDOFF_ERR_REJECTED : 0;
}

// A lane with its layer.
struct Kit {
  handoff_t* service = nullptr;
  handoff_poll_t* poll = nullptr;
  handoff_tls_poll tls{};

  int open(const TlsEchoOptions& options, SSL_CTX* ssl, const Kit& first) {
    handoff_conn_ops ops{};
    ops.size = sizeof ops;
    ops.opened = opened;
    ops.input = input;
    ops.save = save;
    ops.restore = restore;
    ops.flags = options.independent ? HANDOFF_SESSION_INDEPENDENT : 0;
    handoff_tls_poll_options how{};
    how.handshake_ms = options.handshake_ms;
    how.max_plain = options.max_plain;
    how.secure = [](handoff_conn_t* c, handoff_tls_t*) {
      const std::string& name = options_of(c).name;
      if (!name.empty()) handoff_conn_printf(c, "secure %s\n", name.c_str());
    };
    how.failed = [](handoff_conn_t*, const char* why) { std::fprintf(stderr, "%s\n", why); };
    int result = handoff_poll_open(&poll, service, nullptr);
    if (result == 0) {
      result = handoff_poll_listen(poll, "public", "tcp:127.0.0.1:0", &ops,
                                   const_cast<TlsEchoOptions*>(&options));
    }
    if (result == 0) {
      result = &first == this ? handoff_tls_poll_open(&tls, poll, ssl, &how)
                              : handoff_tls_poll_lane(&tls, poll, &first.tls);
    }
    if (result == 0 && !options.plain) result = handoff_tls_poll_use(&tls, "public");
    return result;
  }
};

}  // namespace

int run_tls_echo_poll(const TlsEchoOptions& options) {
  tls::test::SslContext own;
  if (options.own_context) own = tls::test::make_context(*options.own_context);
  handoff_options service{};
  service.size = sizeof service;
  service.name = "test";
  service.version = "1";
  service.state_version = 1;
  service.lanes = options.lanes;
  handoff_t* h = nullptr;
  if (handoff_open(&h, &service) != 0) return 2;
  std::vector<Kit> kits(options.lanes);
  int result = 0;
  for (std::uint32_t i = 0; i < options.lanes && result == 0; ++i) {
    result = handoff_lane(h, i, &kits[i].service);
    if (result == 0) result = kits[i].open(options, own ? own.get() : options.ssl, kits[0]);
  }
  if (result == 0) result = handoff_ready(h);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < options.lanes && result == 0; ++i) {
    threads.emplace_back([&kit = kits[i]] { (void)handoff_poll_run(kit.poll); });
  }
  if (result == 0) {
    result = handoff_poll_run(kits[0].poll);
    if (result != 0) std::fprintf(stderr, "%s\n", handoff_poll_last_error(kits[0].poll));
  } else {
    std::fprintf(stderr, "%s\n", handoff_strerror(result));
  }
  for (std::thread& thread : threads) thread.join();
  for (Kit& kit : kits) {
    handoff_poll_close(kit.poll);
    handoff_tls_poll_close(&kit.tls);
  }
  handoff_close(h);
  if (result == HANDOFF_ERR_ABORTED) return 3;
  return result == 0 ? 0 : 2;
}

}  // namespace handoff::test
