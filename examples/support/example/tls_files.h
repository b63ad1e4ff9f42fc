// The options --tls-cert and --tls-key.
#pragma once

#include <stdexcept>
#include <string>

namespace example {

struct TlsFiles {
  std::string certificate;  // PEM, with its chain behind it
  std::string key;          // PEM

  bool wanted() const { return !certificate.empty() || !key.empty(); }
  // Throws std::invalid_argument, in words for the person who gave the options.
  void check() const {
    if (certificate.empty() != key.empty()) {
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
