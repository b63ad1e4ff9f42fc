// An echo over TLS: written on uv.hpp with the C face as an author would, on tls.hpp, on
// tls_poll.h, and on that below asio.hpp.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace handoff::test {

enum class TlsFace { kC, kCpp, kPoll, kAsio };

struct TlsEchoOptions {
  TlsFace face = TlsFace::kC;
  SSL_CTX* ssl = nullptr;
  // The heir refuses every session.
  bool refuses = false;
  // A bug: a session's state is for ever that of its first save.
  bool saves_once = false;
  // With tls.hpp and tls_poll.h alone:
  // Each request is a line, and the answer comes when it is whole. With tls.hpp to "who" it is what
  // is known of the session.
  bool lines = false;
  // Then: what its answers begin with, and what it says when a handshake is over.
  std::string name = {};
  std::uint32_t lanes = 1;
  std::uint64_t handshake_ms = 10'000;
  // An SSL_CTX that the process makes for itself, of this suite ("" for all): OpenSSL's own ticket
  // keys are then no other process's.
  std::optional<std::string> own_context = {};
  // The listener is served without TLS.
  bool plain = false;
  std::size_t max_plain = 0;
  bool ends = false;         // it ends its half behind the welcome
  bool independent = false;  // its sessions share nothing
};

// Runs it as a service of the name "test"; to be given to a ServiceProcess. The exit status is 0,
// or 3 in an heir whose handoff has failed.
std::function<int()> tls_echo(TlsEchoOptions options);
// The one on tls.hpp.
int run_tls_echo_cpp(const TlsEchoOptions& options);
int run_tls_echo_poll(const TlsEchoOptions& options);
int run_tls_echo_asio(const TlsEchoOptions& options);

}  // namespace handoff::test
