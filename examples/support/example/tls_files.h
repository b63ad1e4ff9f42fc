// The options --tls-cert, --tls-key and --tls-client-ca.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace example {

struct TlsFiles {
  std::string certificate;  // PEM, with its chain behind it
  std::string key;          // PEM
  std::string client_ca;    // PEM: clients must have a certificate of these; "": none is asked for

  bool wanted() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
  // Takes `value` where the option is one of these.
  bool take(std::string_view option, const char* value) {
    std::string* const to = option == "--tls-cert"        ? &certificate
                            : option == "--tls-key"       ? &key
                            : option == "--tls-client-ca" ? &client_ca
                                                          : nullptr;
    if (to != nullptr) *to = value;
    return to != nullptr;
  }
  // Throws std::invalid_argument, in words for the person who gave the options.
  void check() const {
    if (wanted() && (certificate.empty() || key.empty())) {
      throw std::invalid_argument("--tls-cert and --tls-key belong together");
    }
#ifndef EXAMPLE_TLS
    if (wanted()) {
      throw std::invalid_argument(
          "--tls-cert: this program was built without TLS (see HANDOFF_TLS in CMakeLists.txt)");
    }
#endif
  }
};

}  // namespace example
