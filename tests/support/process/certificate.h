// A certificate of a test, and its key.
#pragma once

#include <string>
#include <vector>

#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {

// Signed by itself, for localhost and 127.0.0.1.
class Certificate {
 public:
  Certificate() {
    shell(
        "exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
        key() + " -out " + path() + " 2>/dev/null");
  }
  std::string path() const { return folder_ / "certificate.pem"; }
  std::string key() const { return folder_ / "key.pem"; }
  // What the examples are given.
  std::vector<std::string> options() const { return {"--tls-cert", path(), "--tls-key", key()}; }

 private:
  TempDir folder_;
};

}  // namespace handoff::test
