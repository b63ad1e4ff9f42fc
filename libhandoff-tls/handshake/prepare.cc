#include "libhandoff-tls/handshake/prepare.h"

#include <openssl/ssl.h>

#include <string>
#include <string_view>

#include "handoff/handoff.h"
#include "libhandoff-tls/crypto/suite.h"
#include "libhandoff-tls/handshake/secrets.h"

namespace handoff::tls {
namespace {

using KeylogCallback = void (*)(const SSL*, const char*);

// Where an SSL has its Secrets. An SSL_CTX has the callback of before under the other index.
int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}
int context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void on_keylog(const SSL* session, const char* line) {
  if (auto* const secrets = static_cast<Secrets*>(SSL_get_ex_data(session, session_index()))) {
    secrets->take(line);
  }
  const void* const before = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), context_index());
  if (before != nullptr)
    reinterpret_cast<KeylogCallback>(reinterpret_cast<intptr_t>(before))(session, line);
}

// The names of the suites that move, of one version, in the order that the author has chosen.
std::string movable(SSL_CTX* context, Version version) {
  std::string names;
  const STACK_OF(SSL_CIPHER)* const all = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
    const SSL_CIPHER* const cipher = sk_SSL_CIPHER_value(all, i);
    const Suite* const suite = find_suite(SSL_CIPHER_get_protocol_id(cipher));
    if (suite == nullptr || suite->version != version) continue;
    if (!names.empty()) names += ':';
    names += SSL_CIPHER_get_name(cipher);
  }
  return names;
}

bool allows(SSL_CTX* context, int version) {
  const long lowest = SSL_CTX_get_min_proto_version(context);
  const long highest = SSL_CTX_get_max_proto_version(context);
  return lowest <= version && (highest == 0 || highest >= version);
}

}  // namespace

Result<void> prepare(SSL_CTX* context) {
  if (session_index() < 0 || context_index() < 0) {
    return fail(HANDOFF_ERR_INTERNAL, "OpenSSL has no place for the data of libhandoff-tls");
  }
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // OpenSSL says yes to a version that the method can't have, and does nothing.
    if (SSL_CTX_get_min_proto_version(context) != TLS1_2_VERSION) {
      return fail(HANDOFF_ERR_UNKNOWN,
                  "an SSL_CTX can't be used that is not of TLS_method(): DTLS does not move");
    }
  }
  const std::string suites12 = movable(context, Version::kTls12);
  const std::string suites13 = movable(context, Version::kTls13);
  const bool tls12 = allows(context, TLS1_2_VERSION) && !suites12.empty();
  const bool tls13 = allows(context, TLS1_3_VERSION) && !suites13.empty();
  if (!tls12 && !tls13) {
    return fail(HANDOFF_ERR_UNKNOWN,
                "none of the SSL_CTX's cipher suites can move: allow one with AES-GCM or "
                "ChaCha20-Poly1305, of TLS 1.2 or 1.3");
  }
  if (!tls12) SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (!tls13) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if ((tls12 && SSL_CTX_set_cipher_list(context, suites12.c_str()) != 1) ||
      (tls13 && SSL_CTX_set_ciphersuites(context, suites13.c_str()) != 1)) {
    return fail(HANDOFF_ERR_INTERNAL, "OpenSSL refuses the cipher suites that it has named");
  }
  SSL_CTX_clear_options(context, SSL_OP_ENABLE_KTLS | SSL_OP_ALLOW_CLIENT_RENEGOTIATION |
                                     SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Early data is taken of nobody. What comes by a ticket of another server is passed over (RFC
  // 8446, 4.2.10), so what may come of it (SSL_CTX_set_recv_max_early_data(3)) stays as it is.
  SSL_CTX_set_max_early_data(context, 0);
  SSL_CTX_set_post_handshake_auth(context, 0);
  SSL_CTX_set_read_ahead(context, 0);
  if (const KeylogCallback before = SSL_CTX_get_keylog_callback(context); before != on_keylog) {
    SSL_CTX_set_ex_data(context, context_index(),
                        reinterpret_cast<void*>(reinterpret_cast<intptr_t>(before)));
    SSL_CTX_set_keylog_callback(context, on_keylog);
  }
  return {};
}

Result<void> listen_to_secrets(SSL* session, Secrets* secrets) {
  if (SSL_set_ex_data(session, session_index(), secrets) == 1) return {};
  return fail(HANDOFF_ERR_INTERNAL, "OpenSSL has no place for a session's data");
}

}  // namespace handoff::tls
