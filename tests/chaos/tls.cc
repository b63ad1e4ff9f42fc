#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <stdexcept>

namespace chaos {
namespace {

constexpr std::uint64_t kKeyEvery = 16;  // sayings

std::string openssls_words() {
  std::array<char, 256> words{};
  ERR_error_string_n(ERR_get_error(), words.data(), words.size());
  return words.data();
}

void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + openssls_words());
}

}  // namespace

void Tls::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void Tls::Free::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }
void Tls::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

void Tls::begin(std::string& output) {
  ERR_clear_error();
  SSL_do_handshake(ssl_.get());
  take_made(output);
}

void Tls::say(std::string_view plain, std::string& output) {
  ERR_clear_error();
  if (changes_key_ && ++said_ % kKeyEvery == 2) {
    const bool asks = said_ / kKeyEvery % 2 == 0;
    const int kind = asks ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    check(SSL_key_update(ssl_.get(), kind) == 1, "SSL_key_update");
  }
  // Memory takes all of it.
  const int size = static_cast<int>(plain.size());
  check(SSL_write(ssl_.get(), plain.data(), size) == size, "SSL_write");
  take_made(output);
}

void Tls::close(std::string& output) {
  if (closed_) return;
  closed_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  take_made(output);
}

bool Tls::hear(std::string_view bytes, std::string& plain, std::string& output) {
  const int size = static_cast<int>(bytes.size());
  check(BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), size) == size, "BIO_write");
  for (;;) {
    std::array<char, SSL3_RT_MAX_PLAIN_LENGTH> record;
    ERR_clear_error();
    const int n = SSL_read(ssl_.get(), record.data(), record.size());
    if (n > 0) {
      plain.append(record.data(), static_cast<std::size_t>(n));
      continue;
    }
    const int why = SSL_get_error(ssl_.get(), n);
    ready_ = ready_ || SSL_is_init_finished(ssl_.get()) == 1;
    take_made(output);
    if (why == SSL_ERROR_WANT_READ) return true;
    ended_ = why == SSL_ERROR_ZERO_RETURN;
    if (!ended_) error_ = "TLS: " + openssls_words();
    return ended_;
  }
}

void Tls::take_made(std::string& output) {
  BIO* const made = SSL_get_wbio(ssl_.get());
  const std::size_t before = output.size(), size = BIO_ctrl_pending(made);
  if (size == 0) return;
  output.resize(before + size);
  BIO_read(made, output.data() + before, static_cast<int>(size));
}

// The certificate is not verified: what is tried here is the stream.
TlsClients::TlsClients() : context_(SSL_CTX_new(TLS_client_method())) {
  check(context_ != nullptr, "SSL_CTX_new");
  SSL_CTX_set_app_data(context_.get(), this);
  SSL_CTX_set_session_cache_mode(context_.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context_.get(), keep);
}

std::unique_ptr<Tls> TlsClients::make(std::uint64_t number) const {
  std::unique_ptr<ssl_st, Tls::Free> ssl(SSL_new(context_.get()));
  check(ssl != nullptr, "SSL_new");
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl.get());
  const int version = number % 3 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
  check(SSL_set_min_proto_version(ssl.get(), version) == 1 &&
            SSL_set_max_proto_version(ssl.get(), version) == 1,
        "SSL_set_max_proto_version");
  const bool odd = number % 2 == 1;
  const auto known = sessions_.find(version);
  if (odd && known != sessions_.end()) SSL_set_session(ssl.get(), known->second.get());
  return std::make_unique<Tls>(std::move(ssl), version == TLS1_3_VERSION && !odd);
}

int TlsClients::keep(ssl_st* ssl, ssl_session_st* session) {
  auto* const clients = static_cast<TlsClients*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  clients->sessions_[SSL_version(ssl)].reset(session);
  return 1;  // it is ours
}

}  // namespace chaos
