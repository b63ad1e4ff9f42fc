// The clients' end of TLS, by libhandoff-tls: OpenSSL's own takes more of their time, and ten times
// the memory.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace bench {

class TlsClient {
 public:
  TlsClient() = default;
  virtual ~TlsClient() = default;
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // What to send for it. Valid until the next call.
  virtual std::string_view seal(std::string_view plain) = 0;
  // Takes what has come. Whether its plaintext ends with the end of a line.
  virtual bool ends_line(std::string_view wire) = 0;
};

// Shakes hands with a server, by TLS 1.3, over a blocking socket, which is borrowed. Throws, as
// both functions above do, with what has failed.
std::unique_ptr<TlsClient> shake_hands(int fd);

// An ECDSA certificate of P-256, signed by itself, and its key, as PEM.
void write_certificate(const std::string& certificate, const std::string& key);

}  // namespace bench
