// The echo on tls_poll.h, as a service in C would have it.
#include <handoff/tls_poll.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "../../unit/tls/peer.h"
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
  return text.size();
}

int save(handoff_conn_t* /*c*/, handoff_saved_t* out) { return handoff_save_state(out, "0", 1); }

int restore(handoff_conn_t* c, const void* /*state*/, std::size_t /*length*/) {
  return options_of(c).refuses ? HANDOFF_ERR_REJECTED : 0;
}

}  // namespace

int run_tls_echo_poll(const TlsEchoOptions& options) {
  tls::test::SslContext own;
  if (options.own_context) own = tls::test::make_context(*options.own_context);
  handoff_options service{};
  service.size = sizeof service;
  service.name = "test";
  service.version = "1";
  service.state_version = 1;
  handoff_t* h = nullptr;
  handoff_poll_t* p = nullptr;
  if (handoff_open(&h, &service) != 0 || handoff_poll_open(&p, h, nullptr) != 0) return 2;
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.opened = opened;
  ops.input = input;
  ops.save = save;
  ops.restore = restore;
  ops.flags = options.independent ? HANDOFF_SESSION_INDEPENDENT : 0;
  handoff_tls_poll tls{};
  handoff_tls_poll_options how{};
  how.handshake_ms = options.handshake_ms;
  how.max_plain = options.max_plain;
  how.secure = [](handoff_conn_t* c, handoff_tls_t*) {
    const std::string& name = options_of(c).name;
    if (!name.empty()) handoff_conn_printf(c, "secure %s\n", name.c_str());
  };
  how.failed = [](handoff_conn_t*, const char* why) { std::fprintf(stderr, "%s\n", why); };
  int result = handoff_poll_listen(p, "public", "tcp:127.0.0.1:0", &ops,
                                   const_cast<TlsEchoOptions*>(&options));
  if (result == 0) result = handoff_tls_poll_open(&tls, p, own ? own.get() : options.ssl, &how);
  if (result == 0 && !options.plain) result = handoff_tls_poll_use(&tls, "public");
  if (result == 0) result = handoff_poll_run(p);
  if (result != 0) std::fprintf(stderr, "%s\n", handoff_poll_last_error(p));
  handoff_poll_close(p);
  handoff_tls_poll_close(&tls);
  handoff_close(h);
  if (result == HANDOFF_ERR_ABORTED) return 3;
  return result == 0 ? 0 : 2;
}

}  // namespace handoff::test
