// An echo over TLS on uv.hpp, written with the C face as an author would.
#pragma once

#include <openssl/ssl.h>

#include <functional>

namespace handoff::test {

struct TlsEchoOptions {
  SSL_CTX* ssl = nullptr;
  // The heir refuses every session.
  bool refuses = false;
  // A bug: a session's state is for ever that of its first save.
  bool saves_once = false;
};

// Runs it as a service of the name "test"; to be given to a ServiceProcess. The exit status is 0,
// or 3 in an heir whose handoff has failed.
std::function<int()> tls_echo(TlsEchoOptions options);

}  // namespace handoff::test
