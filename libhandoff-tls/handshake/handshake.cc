#include "libhandoff-tls/handshake/handshake.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff-tls/crypto/frames.h"
#include "libhandoff-tls/handshake/certificate.h"
#include "libhandoff-tls/handshake/prepare.h"

namespace handoff::tls {
namespace {

constexpr std::size_t kMaxRecord = kMaxFragment + 2048;  // RFC 5246, 6.2.3

std::string openssl_reason() {
  std::string out;
  while (const unsigned long error = ERR_get_error()) {
    const char* const reason = ERR_reason_error_string(error);
    if (!out.empty()) out += ", ";
    out += reason != nullptr ? reason : "error " + std::to_string(error);
  }
  return out.empty() ? "the peer has closed the connection" : out;
}

Failure out_of_memory() { return fail(-ENOMEM, "a TLS handshake: OpenSSL has no memory"); }

Failure unproven(const std::string& why) {
  return fail(HANDOFF_ERR_PROTOCOL, "a TLS session is refused, since " + why +
                                        ": its next record could use a nonce a second time");
}

std::size_t record_size(std::string_view records) {
  return kHeaderSize + (static_cast<std::size_t>(static_cast<std::uint8_t>(records[3])) << 8 |
                        static_cast<std::uint8_t>(records[4]));
}

Type type_of(std::string_view record) { return Type{static_cast<std::uint8_t>(record[0])}; }

// Calls f with each record. What OpenSSL writes are whole records.
template <class F>
bool for_each_record(std::string_view records, F&& f) {
  while (!records.empty()) {
    if (records.size() < kHeaderSize || records.size() < record_size(records)) return false;
    const std::string_view record = records.substr(0, record_size(records));
    records.remove_prefix(record.size());
    if (!f(record)) return false;
  }
  return true;
}

bool opens(const Suite& suite, Direction& d, std::string_view record) {
  std::vector<std::uint8_t> bytes(record.size());
  std::size_t size = 0;
  return unprotect(suite, d, record, bytes.data(), size);
}

// A name that is an address is no server name (RFC 6066, 3).
bool expect_server(SSL* ssl, const char* name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1) return true;
  return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

}  // namespace

Result<std::unique_ptr<Handshake>> Handshake::make(SSL_CTX* context, Role role,
                                                   const char* server_name) {
  ERR_clear_error();
  std::unique_ptr<Handshake> out(new Handshake);
  out->role_ = role;
  out->secrets_ = make_in_arena<Secrets>();
  out->ssl_ = SSL_new(context);
  BIO* const input = BIO_new(BIO_s_mem());
  BIO* const output = BIO_new(BIO_s_mem());
  if (out->ssl_ == nullptr || input == nullptr || output == nullptr) {
    BIO_free(input);
    BIO_free(output);
    return out_of_memory();
  }
  BIO_set_mem_eof_return(input, -1);  // no input is not the end
  SSL_set_bio(out->ssl_, input, output);
  if (const auto ok = listen_to_secrets(out->ssl_, out->secrets_.get()); !ok) {
    return Failure(ok.error());
  }
  if (role == Role::kServer) {
    SSL_set_accept_state(out->ssl_);
  } else {
    SSL_set_connect_state(out->ssl_);
    if (server_name != nullptr && !expect_server(out->ssl_, server_name)) {
      return fail(-EINVAL, std::string("a TLS handshake: '") + server_name +
                               "' can be no server's name: " + openssl_reason());
    }
  }
  return out;
}

Handshake::~Handshake() {
  if (ssl_ == nullptr) return;
  (void)listen_to_secrets(ssl_, nullptr);
  // A session that was not shut down would be taken out of the cache, and could not be resumed.
  if (SSL_is_init_finished(ssl_)) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

Result<bool> Handshake::advance(std::string_view input, std::size_t& consumed, Buffer& wire) {
  consumed = 0;
  for (bool first = true;; first = false) {
    const std::string_view rest = input.substr(consumed);
    bool whole = rest.size() >= kHeaderSize;
    if (whole) {
      std::size_t size = record_size(rest);
      // OpenSSL says best what is wrong with what is no record, HTTP say.
      const Type type = type_of(rest);
      const bool is_record = type >= Type::kChangeCipher && type <= Type::kData && rest[1] == 3;
      if (!is_record || size > kHeaderSize + kMaxRecord) {
        size = std::min(rest.size(), kHeaderSize + kMaxRecord);
      }
      whole = rest.size() >= size;
      if (whole) {
        const int taken = BIO_write(SSL_get_rbio(ssl_), rest.data(), static_cast<int>(size));
        if (taken != static_cast<int>(size)) return out_of_memory();
        consumed += size;
        if (peer_changed_) ++read_;
        peer_changed_ = peer_changed_ || type == Type::kChangeCipher;
      }
    }
    // A client speaks first, and a callback that has put off its answer is asked again.
    if (!whole && !first) return false;
    const Result<bool> done = step();
    drain(wire);
    if (!done || *done || !whole) return done;
  }
}

Result<bool> Handshake::step() {
  const WipesFrames<kHandshakeFrames> of_openssl;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return true;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_SSL:
    case SSL_ERROR_SYSCALL:
    case SSL_ERROR_ZERO_RETURN:
      return fail(HANDOFF_ERR_PROTOCOL, "a TLS handshake failed: " + openssl_reason());
    default:
      return false;  // more input, or a callback that is not done
  }
}

void Handshake::drain(Buffer& wire) {
  BIO* const output = SSL_get_wbio(ssl_);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(output, &bytes);
  if (size <= 0) return;
  wire.append({bytes, static_cast<std::size_t>(size)});
  sent_.append(bytes, static_cast<std::size_t>(size));
  (void)BIO_reset(output);
}

Result<void> Handshake::finish(Record& record, Info& info) {
  if (SSL_has_pending(ssl_) != 0 || BIO_ctrl_pending(SSL_get_rbio(ssl_)) != 0) {
    return fail(HANDOFF_ERR_PROTOCOL, "a TLS peer has put more behind its last handshake message");
  }
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_);
  const Suite* const suite = find_suite(SSL_CIPHER_get_protocol_id(cipher));
  if (suite == nullptr) {
    return fail(HANDOFF_ERR_UNKNOWN,
                std::string("a TLS session with ") + SSL_CIPHER_get_name(cipher) +
                    " can't move: its suites were set after handoff_tls_prepare()");
  }
  const unsigned char* alpn = nullptr;
  unsigned int alpn_size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
  if (alpn_size > 0) info.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  if (name != nullptr) info.server_name = name;
  if (const X509* const certificate = SSL_get0_peer_certificate(ssl_)) {
    if (const auto ok = describe_certificate(certificate, info); !ok) return ok;
  }
  // Last of all: from here on the session can seal.
  record.limit_fragments(SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl_)));
  return suite->version == Version::kTls13 ? finish_13(*suite, record) : finish_12(*suite, record);
}

Result<void> Handshake::finish_13(const Suite& suite, Record& record) const {
  using enum Secrets::Which;
  const bool server = role_ == Role::kServer;
  const auto* const handshake =
      secrets_->get(server ? kServerHandshake : kClientHandshake, suite.hash_size);
  const auto* const ours = secrets_->get(server ? kServer : kClient, suite.hash_size);
  const auto* const peers = secrets_->get(server ? kClient : kServer, suite.hash_size);
  if (handshake == nullptr || ours == nullptr || peers == nullptr) {
    return unproven(
        "OpenSSL has not told its secrets (an SSL_CTX that a callback has put in place "
        "of the first needs handoff_tls_prepare() as well)");
  }
  const InArena<Direction> before = make_in_arena<Direction>();
  const InArena<Direction> after = make_in_arena<Direction>();
  std::copy_n(handshake, suite.hash_size, before->secret.data());
  std::copy_n(ours, suite.hash_size, after->secret.data());
  const bool all = for_each_record(sent_, [&](std::string_view record_bytes) {
    if (type_of(record_bytes) != Type::kData) return true;  // in the clear
    return opens(suite, *after, record_bytes) ||
           (after->sequence == 0 && opens(suite, *before, record_bytes));
  });
  if (!all) return unproven("a record that OpenSSL has written can't be opened again");
  // A server's tickets, if it sends any, are the first of the application's records.
  if (before->sequence == 0) return unproven("OpenSSL has written no Finished");
  record.begin(role_, suite, peers, ours, after->sequence);
  return {};
}

Result<void> Handshake::finish_12(const Suite& suite, Record& record) const {
  const bool server = role_ == Role::kServer;
  Secret<kMasterSize> master;
  std::uint8_t client_random[kRandomSize], server_random[kRandomSize];
  if (SSL_SESSION_get_master_key(SSL_get_session(ssl_), master.data(), kMasterSize) !=
          kMasterSize ||
      SSL_get_client_random(ssl_, client_random, kRandomSize) != kRandomSize ||
      SSL_get_server_random(ssl_, server_random, kRandomSize) != kRandomSize) {
    return unproven("OpenSSL does not tell its master secret");
  }
  const KeyBlock keys = key_block(suite, master.data(), client_random, server_random);
  const InArena<Direction> after = make_in_arena<Direction>();
  after->iv = server ? keys.server_iv : keys.client_iv;
  std::copy_n((server ? keys.server_key : keys.client_key).data(), suite.key_size,
              after->secret.data());
  bool changed = false;  // ChangeCipherSpec was written: all that follows is protected
  std::uint64_t explicit_nonce = 0;
  const bool all = for_each_record(sent_, [&](std::string_view record_bytes) {
    if (!changed) {
      changed = type_of(record_bytes) == Type::kChangeCipher;
      return true;
    }
    if (!opens(suite, *after, record_bytes)) return false;
    for (std::size_t i = 0; i < 8; ++i) {
      explicit_nonce =
          explicit_nonce << 8 | static_cast<std::uint8_t>(record_bytes[kHeaderSize + i]);
    }
    return true;
  });
  if (!all || after->sequence != 1) {
    return unproven("its Finished is not the one record that OpenSSL has protected");
  }
  record.begin(role_, suite, keys, explicit_nonce + 1, read_);
  return {};
}

}  // namespace handoff::tls
