// What an SSL_CTX has to be like for its sessions to move: OpenSSL does the handshake alone.
#pragma once

#include "libhandoff/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace handoff::tls {

class Secrets;

// Turns off what a session can't take along (0-RTT, renegotiation, CBC and CCM, compression,
// authentication after the handshake, kTLS, TLS before 1.2), and hears of the secrets by the keylog
// callback, behind which the callback that was set before goes on. Twice is as good as once.
// HANDOFF_ERR_UNKNOWN if no cipher suite is left.
Result<void> prepare(ssl_ctx_st* context);

// From now on the secrets of this session go to `secrets`, or with NULL to nobody. Borrowed.
// HANDOFF_ERR_INTERNAL if OpenSSL has no room for it.
Result<void> listen_to_secrets(ssl_st* session, Secrets* secrets);

}  // namespace handoff::tls
