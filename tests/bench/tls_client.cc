#include "tls_client.h"

#include <handoff/tls.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace bench {
namespace {

void require(bool so, const std::string& what) {
  if (!so) throw std::runtime_error("bench: " + what);
}

// Of this process, for all of its connections.
handoff_tls_context_t* context() {
  static handoff_tls_context_t* const shared = [] {
    SSL_CTX* const ssl = SSL_CTX_new(TLS_client_method());
    handoff_tls_context_t* made = nullptr;
    require(ssl != nullptr && SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
                handoff_tls_context_open(&made, ssl, nullptr) == 0 && handoff_tls_own(made) == 0,
            "a TLS context can't be made");
    SSL_CTX_free(ssl);
    return made;
  }();
  return shared;
}

class Client final : public TlsClient {
 public:
  explicit Client(int fd) {
    std::uint64_t written = 0;
    require(handoff_tls_written(fd, &written) == 0 &&
                handoff_tls_connect(&session_, context(), nullptr, written) == 0,
            handoff_tls_context_error(context()));
    std::array<char, 16384> buffer;
    for (ssize_t n = 0;;) {
      (void)take({buffer.data(), static_cast<std::size_t>(n)});
      send_all(fd, out());
      if (handoff_tls_established(session_) != 0) return;
      n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n < 0) throw std::system_error(errno, std::generic_category(), "bench: a handshake");
      require(n > 0, "the service has ended a handshake");
    }
  }
  ~Client() override { handoff_tls_free(session_); }

  std::string_view seal(std::string_view plain) override {
    check(handoff_tls_sent(session_, std::exchange(given_, 0)));
    check(handoff_tls_write(session_, plain.data(), plain.size()));
    return out();
  }
  bool ends_line(std::string_view wire) override { return take(wire); }

 private:
  void check(int result) const { require(result == 0, handoff_tls_error(session_)); }
  std::string_view out() {
    check(handoff_tls_sent(session_, std::exchange(given_, 0)));
    const char* data = nullptr;
    given_ = handoff_tls_out(session_, &data);
    return {data, given_};
  }
  static void send_all(int fd, std::string_view bytes) {
    if (bytes.empty()) return;
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    require(n == static_cast<ssize_t>(bytes.size()), "a handshake could not be sent");
  }
  bool take(std::string_view fresh) {
    if (!input_.empty()) input_ += fresh;
    const std::string_view all = input_.empty() ? fresh : std::string_view(input_);
    bool ends = false;
    std::size_t used = 0, size = 0;
    do {
      const ssize_t fed = handoff_tls_feed(session_, all.data() + used, all.size() - used);
      require(fed >= 0, handoff_tls_error(session_));
      used += static_cast<std::size_t>(fed);
      const char* plain = nullptr;
      size = handoff_tls_plain(session_, &plain);
      if (size > 0) ends = plain[size - 1] == '\n';
      check(handoff_tls_consume(session_, size));
    } while (size > 0);
    if (input_.empty()) {
      input_ = all.substr(used);
    } else {
      input_.erase(0, used);
    }
    return ends;
  }

  handoff_tls_t* session_ = nullptr;
  std::string input_;      // half a record
  std::size_t given_ = 0;  // of the output, what out() has given
};

struct FreeFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

template <class Write>
void write_pem(const std::string& path, Write&& write) {
  const std::unique_ptr<std::FILE, FreeFile> file(std::fopen(path.c_str(), "we"));
  require(file != nullptr && write(file.get()) == 1, "can't write " + path);
}

}  // namespace

std::unique_ptr<TlsClient> shake_hands(int fd) { return std::make_unique<Client>(fd); }

void write_certificate(const std::string& certificate, const std::string& key) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> secret(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
  X509* const x = made.get();
  require(secret != nullptr && x != nullptr, "no memory for a certificate");
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
  X509_NAME* const name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(x, name);
  X509_set_pubkey(x, secret.get());
  require(X509_sign(x, secret.get(), EVP_sha256()) > 0, "a certificate can't be signed");
  write_pem(certificate, [x](std::FILE* file) { return PEM_write_X509(file, x); });
  write_pem(key, [&secret](std::FILE* file) {
    return PEM_write_PrivateKey(file, secret.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

}  // namespace bench
