// OpenSSL as the peer, over memory, and a session of ours that moves as often as one likes.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "handoff/tls.h"

namespace handoff::tls::test {

struct FreeSsl {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_SESSION* p) const { SSL_SESSION_free(p); }
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSsl>;

enum class Key { kEcdsa, kRsa };

// A context with a certificate of its own for "example.org", which whoever it is trusts. suites:
// one of TLS 1.3 or 1.2, by OpenSSL's name, or "" for all.
SslContext make_context(const std::string& suites = "", Key key = Key::kEcdsa);

// OpenSSL's end of a connection.
class Peer {
 public:
  Peer(SSL_CTX* context, bool server);

  // Gives it bytes, lets it go on with the handshake or read, and returns what it has to send.
  std::string feed(std::string_view bytes);
  std::string sealed(std::string_view plain);
  std::string sent();
  std::string read();  // what it has opened
  bool failed() const { return failed_; }
  bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  SSL* ssl() const { return ssl_.get(); }

 private:
  std::unique_ptr<SSL, FreeSsl> ssl_;
  BIO* in_;
  BIO* out_;
  std::string opened_;
  bool failed_ = false;
};

struct FreeTls {
  void operator()(handoff_tls_context_t* p) const { handoff_tls_context_close(p); }
  void operator()(handoff_tls_t* p) const { handoff_tls_free(p); }
};

// Our end, with the stream below it: what was fed and not consumed, what was made and not sent, and
// a kernel that counts.
class Ours {
 public:
  Ours(SSL_CTX* ssl, bool server, const char* server_name = nullptr);

  // What came from the peer. The result of the last handoff_tls_feed().
  ssize_t feed(std::string_view bytes);
  std::string sealed(std::string_view plain);
  std::string sent();  // takes all, and the kernel counts it
  std::string read();
  // Another process, as far as a state is concerned: another context with another object. What was
  // not consumed goes along. Fails the test if anything of it fails.
  void move();
  std::string save();
  handoff_tls_info info() const;

  handoff_tls_t* get() const { return session_.get(); }
  handoff_tls_context_t* context() const { return context_.get(); }
  std::uint64_t written() const { return written_; }

 private:
  SSL_CTX* ssl_;
  std::unique_ptr<handoff_tls_context_t, FreeTls> context_;
  std::unique_ptr<handoff_tls_t, FreeTls> session_;
  std::string input_;
  std::uint64_t written_ = 5'000'000'000;  // of a socket that has sent much before
};

// Lets both talk until neither has more to say.
void talk(Peer& peer, Ours& ours, std::string from_peer = "");

}  // namespace handoff::tls::test
