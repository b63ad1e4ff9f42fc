#include "libhandoff-tls/handshake/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "handoff/handoff.h"
#include "libhandoff-tls/sys/clock.h"

namespace handoff::tls {
namespace {

int session_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

bool make_random(Secret<TicketKey::kRandomSize>& out) {
  return RAND_bytes(out.data(), static_cast<int>(out.size())) == 1;
}
std::span<const std::uint8_t, TicketKey::kRandomSize> bytes(
    const Secret<TicketKey::kRandomSize>& random) {
  return std::span<const std::uint8_t, TicketKey::kRandomSize>(random.data(), random.size());
}

// AES-256-CBC and HMAC-SHA256, as OpenSSL's own tickets are.
bool set_keys(const TicketKey& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, bool seals) {
  Secret<32> copy = key.mac;  // OSSL_PARAM points to what is not const
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy.data(), copy.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_CipherInit_ex2(cipher, EVP_aes_256_cbc(), key.cipher.data(), iv, seals ? 1 : 0,
                            nullptr) == 1 &&
         EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int seal_ticket(TicketKeys* keys, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                EVP_MAC_CTX* mac) {
  const std::uint64_t now_s = monotonic_s();
  TicketKey nobodys;
  const TicketKey* key = &nobodys;
  if (keys == nullptr || keys->due(now_s)) {
    Secret<TicketKey::kRandomSize> random;
    if (!make_random(random)) return -1;
    nobodys.make(bytes(random), now_s);
    if (keys != nullptr) keys->rotate(bytes(random), now_s);
  }
  if (keys != nullptr) key = keys->newest();
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  std::copy_n(key->name.data(), key->name.size(), name);
  return set_keys(*key, iv, cipher, mac, true) ? 1 : -1;
}

// See SSL_CTX_set_tlsext_ticket_key_evp_cb(3) for what is returned: 2 asks for a new ticket.
int on_ticket(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int seals) {
  auto* const keys = static_cast<TicketKeys*>(SSL_get_ex_data(session, session_index()));
  if (seals != 0) return seal_ticket(keys, name, iv, cipher, mac);
  if (keys == nullptr) return 0;
  const TicketKey* const key =
      keys->find(std::span<const std::uint8_t, TicketKey::kNameSize>(name, TicketKey::kNameSize),
                 monotonic_s());
  if (key == nullptr) return 0;  // a whole handshake
  if (!set_keys(*key, iv, cipher, mac, false)) return -1;
  // A client of TLS 1.3 should use a ticket once (RFC 8446, C.4), so it gets another one.
  return key == keys->newest() && SSL_version(session) < TLS1_3_VERSION ? 1 : 2;
}

Failure no_room() {
  return fail(HANDOFF_ERR_INTERNAL, "OpenSSL has no place for the data of libhandoff-tls");
}

}  // namespace

Result<void> take_tickets(SSL_CTX* context) {
  if (session_index() < 0) return no_room();
  if (SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) != 1) {
    return fail(HANDOFF_ERR_INTERNAL, "OpenSSL does not take a callback for tickets");
  }
  return {};
}

Result<void> use_ticket_keys(SSL* session, TicketKeys* keys) {
  if (SSL_set_ex_data(session, session_index(), keys) == 1) return {};
  return no_room();
}

}  // namespace handoff::tls
