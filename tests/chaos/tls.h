// TLS between a client and its socket, by OpenSSL over memory. The client says and hears plaintext,
// and its socket takes and brings records.
//
// A connection's number says what it does. Each third one speaks TLS 1.2, the others 1.3. One with
// an odd number resumes an earlier session of its version, if there is one. One of TLS 1.3 with an
// even number changes its key now and then, and at times asks the service for a new one, too.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace chaos {

class Tls {
 public:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
    void operator()(ssl_session_st* session) const;
    void operator()(ssl_st* ssl) const;
  };

  explicit Tls(std::unique_ptr<ssl_st, Free> ssl, bool changes_key)
      : ssl_(std::move(ssl)), changes_key_(changes_key) {}

  bool ready() const { return ready_; }    // the handshake is over
  bool closed() const { return closed_; }  // close() was called
  bool ended() const { return ended_; }    // the service has said close_notify
  const std::string& error() const { return error_; }

  // What is to be sent is appended to output. Nothing may be said before ready().
  void begin(std::string& output);
  void say(std::string_view plain, std::string& output);
  void close(std::string& output);
  // What has come: its plaintext is appended to plain. False if it is no record of the session, or
  // an alert; then error() says what, and nothing more may be done.
  bool hear(std::string_view bytes, std::string& plain, std::string& output);

 private:
  void take_made(std::string& output);

  std::unique_ptr<ssl_st, Free> ssl_;
  const bool changes_key_;
  std::uint64_t said_ = 0;
  bool ready_ = false, closed_ = false, ended_ = false;
  std::string error_;
};

// What the connections of one Traffic share. Outlives them.
class TlsClients {
 public:
  TlsClients();
  TlsClients(const TlsClients&) = delete;
  TlsClients& operator=(const TlsClients&) = delete;
  std::unique_ptr<Tls> make(std::uint64_t number) const;

 private:
  static int keep(ssl_st* ssl, ssl_session_st* session);

  std::unique_ptr<ssl_ctx_st, Tls::Free> context_;
  std::map<int, std::unique_ptr<ssl_session_st, Tls::Free>> sessions_;  // the last of each version
};

}  // namespace chaos
