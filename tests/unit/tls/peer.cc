#include "peer.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509.h>

namespace handoff::tls::test {
namespace {

using FreeKey = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using FreeCertificate = std::unique_ptr<X509, void (*)(X509*)>;

EVP_PKEY* key_of(Key key) {
  static const FreeKey ecdsa(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (key == Key::kEcdsa) return ecdsa.get();
  static const FreeKey rsa(EVP_RSA_gen(2048), EVP_PKEY_free);  // takes a while
  return rsa.get();
}

FreeCertificate certificate_of(EVP_PKEY* key) {
  FreeCertificate out(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), 3600);
  X509_NAME* const name = X509_get_subject_name(out.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("example.org"), -1, -1, 0);
  X509_set_issuer_name(out.get(), name);
  X509_set_pubkey(out.get(), key);
  X509_sign(out.get(), key, EVP_sha256());
  return out;
}

}  // namespace

SslContext make_context(const std::string& suites, Key key) {
  SslContext out(SSL_CTX_new(TLS_method()));
  SSL_CTX* const context = out.get();
  EXPECT_EQ(1, SSL_CTX_use_PrivateKey(context, key_of(key)));
  EXPECT_EQ(1, SSL_CTX_use_certificate(context, certificate_of(key_of(key)).get()));
  SSL_CTX_set_dh_auto(context, 1);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("t"), 1);
  if (suites.starts_with("TLS_")) {
    EXPECT_EQ(1, SSL_CTX_set_ciphersuites(context, suites.c_str()));
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  } else if (!suites.empty()) {
    EXPECT_EQ(1, SSL_CTX_set_cipher_list(context, suites.c_str()));
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  }
  return out;
}

Peer::Peer(SSL_CTX* context, bool server)
    : ssl_(SSL_new(context)), in_(BIO_new(BIO_s_mem())), out_(BIO_new(BIO_s_mem())) {
  BIO_set_mem_eof_return(in_, -1);
  SSL_set_bio(ssl_.get(), in_, out_);
  if (server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
}

std::string Peer::feed(std::string_view bytes) {
  if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  ERR_clear_error();
  char buffer[16384];
  for (;;) {
    const int n = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (n <= 0) {
      const int error = SSL_get_error(ssl_.get(), n);
      failed_ = failed_ || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN);
      return sent();
    }
    opened_.append(buffer, static_cast<std::size_t>(n));
  }
}

std::string Peer::sealed(std::string_view plain) {
  EXPECT_EQ(static_cast<int>(plain.size()),
            SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())));
  return sent();
}

std::string Peer::sent() {
  std::string out(BIO_ctrl_pending(out_), '\0');
  if (!out.empty()) BIO_read(out_, out.data(), static_cast<int>(out.size()));
  return out;
}

std::string Peer::read() { return std::exchange(opened_, {}); }

Ours::Ours(SSL_CTX* ssl, bool server, const char* server_name) : ssl_(ssl) {
  handoff_tls_context_t* context = nullptr;
  EXPECT_EQ(0, handoff_tls_context_open(&context, ssl, nullptr));
  context_.reset(context);
  EXPECT_EQ(0, handoff_tls_own(context));
  handoff_tls_t* session = nullptr;
  EXPECT_EQ(0, server ? handoff_tls_accept(&session, context, written_)
                      : handoff_tls_connect(&session, context, server_name, written_))
      << handoff_tls_context_error(context);
  session_.reset(session);
}

ssize_t Ours::feed(std::string_view bytes) {
  input_.append(bytes);
  const ssize_t consumed = handoff_tls_feed(get(), input_.data(), input_.size());
  if (consumed > 0) input_.erase(0, static_cast<std::size_t>(consumed));
  return consumed;
}

std::string Ours::sealed(std::string_view plain) {
  EXPECT_EQ(0, handoff_tls_write(get(), plain.data(), plain.size())) << handoff_tls_error(get());
  return sent();
}

std::string Ours::sent() {
  const char* data = nullptr;
  const std::size_t size = handoff_tls_out(get(), &data);
  std::string out(data == nullptr ? "" : data, size);
  EXPECT_EQ(0, handoff_tls_sent(get(), size));
  written_ += size;
  return out;
}

std::string Ours::read() {
  const char* data = nullptr;
  const std::size_t size = handoff_tls_plain(get(), &data);
  std::string out(data == nullptr ? "" : data, size);
  EXPECT_EQ(0, handoff_tls_consume(get(), size));
  return out;
}

std::string Ours::save() {
  std::string state(handoff_tls_save_size(get()), '\0');
  EXPECT_EQ(static_cast<ssize_t>(state.size()), handoff_tls_save(get(), state.data(), state.size()))
      << handoff_tls_error(get());
  return state;
}

void Ours::move() {
  ASSERT_EQ(0, handoff_tls_freeze(context()));
  const std::string state = save();
  handoff_tls_context_t* next = nullptr;
  ASSERT_EQ(0, handoff_tls_context_open(&next, ssl_, nullptr));
  handoff_tls_t* session = nullptr;
  ASSERT_EQ(0, handoff_tls_restore(&session, next, state.data(), state.size()))
      << handoff_tls_context_error(next);
  session_.reset(session);
  context_.reset(next);
  ASSERT_EQ(0, handoff_tls_own(next));
  ASSERT_EQ(0, handoff_tls_check(session, written_, 0)) << handoff_tls_error(session);
  // What waited is opened again.
  ASSERT_LE(0, feed("")) << handoff_tls_error(session);
}

handoff_tls_info Ours::info() const {
  handoff_tls_info out{};
  out.size = sizeof out;
  EXPECT_EQ(0, handoff_tls_get_info(get(), &out));
  return out;
}

void talk(Peer& peer, Ours& ours, std::string from_peer) {
  for (;;) {
    from_peer += peer.feed("");
    const ssize_t fed = ours.feed(std::exchange(from_peer, {}));
    const std::string to_peer = ours.sent();
    if (to_peer.empty()) return;
    from_peer = peer.feed(to_peer);
    if (fed < 0) return;
  }
}

}  // namespace handoff::tls::test
