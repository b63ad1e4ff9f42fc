// tally over TLS. Usage: guide-secure CERTIFICATE KEY, both PEM files.
#include <openssl/ssl.h>

#include <algorithm>
#include <handoff/tls.hpp>
#include <memory>
#include <stdexcept>

#include "tally.h"

class Tally final : public handoff::tls::Stream {
 public:
  explicit Tally(handoff::tls::Context& context, std::string_view state = "0")
      : Stream(context), total_(std::stoll(std::string(state))) {}

 protected:
  std::size_t on_plain(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      write(add(total_, input.substr(used, end - used)));
      used = end + 1;
    }
  }
  std::string save_plain() const override { return std::to_string(total_); }

 private:
  std::int64_t total_;
};

std::shared_ptr<SSL_CTX> server(const char* certificate, const char* key) {
  std::shared_ptr<SSL_CTX> ssl(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (SSL_CTX_use_certificate_chain_file(ssl.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(ssl.get(), key, SSL_FILETYPE_PEM) != 1) {
    throw std::runtime_error("the certificate or its key can't be used");
  }
  return ssl;
}

int main(int argc, char** argv) {
  return handoff::run([&] {
    if (argc != 3) throw std::runtime_error("usage: guide-secure CERTIFICATE KEY");
    auto service = handoff::Service::open({.name = "tally", .version = "1.0"});
    handoff::tls::Context context(server(argv[1], argv[2]).get(), *service);
    handoff::uv::Host host(uv_default_loop(), *service);
    context.join(host);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [&] { return std::make_unique<Tally>(context); },
        [&](std::string_view state) { return std::make_unique<Tally>(context, state); });
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
