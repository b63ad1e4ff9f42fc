// A certificate, and real TLS clients into which a test types.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>
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

// A program whose input the test types. What is typed at once is read at once.
class Typed {
 public:
  // command[0] is looked for in $PATH.
  explicit Typed(const std::vector<std::string>& command)
      : input_(make_input(folder_ / "input")), process_(with_input(command)) {}

  void type(std::string_view text) const {
    if (::write(input_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("typing has failed");
    }
  }
  // Waits until the text was printed so many times; throws with what was printed instead.
  void wait_for(std::string_view text, int times = 1) {
    const Deadline deadline = Deadline::patience();
    for (;;) {
      const std::size_t written = process_.written();
      const std::string all = printed();
      int found = 0;
      for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
        ++found;
      }
      if (found >= times) return;
      if (!process_.wait_for_more(written, deadline)) {
        throw std::runtime_error("waited in vain for '" + std::string(text) + "': " + all);
      }
    }
  }
  std::string printed() const { return process_.out() + process_.err(); }

 private:
  // Open for both, a FIFO makes nobody wait for the other end.
  static UniqueFd make_input(const std::string& path) {
    if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("a FIFO can't be made");
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  }
  std::vector<std::string> with_input(const std::vector<std::string>& command) const {
    std::vector<std::string> out = {"/bin/sh", "-c", "input=$1; shift; exec \"$@\" <\"$input\"",
                                    "sh", folder_ / "input"};
    out.insert(out.end(), command.begin(), command.end());
    return out;
  }

  TempDir folder_;
  UniqueFd input_;
  Process process_;
};

// OpenSSL's client, to a port of this host; it ends the connection if it does not trust it.
inline std::vector<std::string> s_client(int port, const Certificate& trusted,
                                         const std::vector<std::string>& flags) {
  std::vector<std::string> out = {"openssl",
                                  "s_client",
                                  "-connect",
                                  "127.0.0.1:" + std::to_string(port),
                                  "-CAfile",
                                  trusted.path(),
                                  "-verify_return_error"};
  out.insert(out.end(), flags.begin(), flags.end());
  return out;
}

}  // namespace handoff::test
