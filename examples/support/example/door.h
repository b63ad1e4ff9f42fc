// A listener whose connections are plain, or TLS.
//
// A session is a class template over what is below it: Plain, or handoff::tls::Stream. Both have
// the same face, that of tls.hpp: on_plain(), save_plain(), on_secure(), secure(), seen(). A plain
// connection is a uv::Stream as ever.
//
//   template <class Base>
//   class Echo final : public Base {
//    public:
//     template <class... Below>
//     explicit Echo(Below&... below) : Base(below...) {}
//     void restore(std::string_view state);   // what save_plain() gave
//     ...
//   };
//   example::Door door(options.tls, *service);   // before the Hosts
//   door.listen<Echo>(host, "public", options.listen, {});
#pragma once

#include <handoff/uv.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tls_files.h"
#ifdef EXAMPLE_TLS
#include <handoff/tls.hpp>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#endif

namespace example {

class Plain : public handoff::uv::Stream {
 public:
  bool secure() const { return true; }  // as far as it will ever be

 protected:
  virtual std::size_t on_plain(std::string_view input) = 0;
  virtual std::string save_plain() const = 0;
  // Of a TLS session: the handshake is over.
  virtual void on_secure() {}

  std::size_t on_input(std::string_view input) final { return on_plain(input); }
  std::string save() const final { return save_plain(); }
};

class Door {
 public:
  using ListenOptions = handoff::uv::Host::ListenOptions;

  static constexpr std::size_t kMaxRequest = std::size_t{16} << 20;

  // max_request: of bytes, as Host::max_input is where connections are plain. Throws
  // std::runtime_error, saying what is wrong with which file.
  Door(const TlsFiles& files, [[maybe_unused]] handoff::Service& service,
       [[maybe_unused]] std::size_t max_request = kMaxRequest) {
    files.check();
    if (!files.wanted()) return;
#ifdef EXAMPLE_TLS
    using handoff::tls::Context;
    contexts_.push_back(std::make_unique<Context>(
        load(files).get(), service, handoff::tls::ContextOptions{.max_plain = max_request}));
    for (std::uint32_t lane = 1; lane < service.lanes(); ++lane) {
      contexts_.push_back(std::make_unique<Context>(*contexts_.front(), service.lane(lane)));
    }
#endif
  }

  // Declares a listener. Its sessions are made from args, which are borrowed, and from what is
  // below them. One that another process had gets its state by restore(). Once for each Host.
  template <template <class> class Session, class... Args>
  void listen(handoff::uv::Host& host, const std::string& name, const std::string& address,
              const ListenOptions& options, Args&... args) {
#ifdef EXAMPLE_TLS
    if (!contexts_.empty()) {
      using Made = Session<handoff::tls::Stream>;
      handoff::tls::Context* const context = contexts_.at(host.service().index()).get();
      context->join(host);
      host.listen(
          name, address, [&, context] { return std::make_unique<Made>(args..., *context); },
          [&, context](std::string_view state) {
            auto made = std::make_unique<Made>(args..., *context);
            made->restore(state);
            return made;
          },
          options);
      return;
    }
#endif
    using Made = Session<Plain>;
    host.listen(
        name, address, [&] { return std::make_unique<Made>(args...); },
        [&](std::string_view state) {
          auto made = std::make_unique<Made>(args...);
          made->restore(state);
          return made;
        },
        options);
  }

 private:
#ifdef EXAMPLE_TLS
  struct FreeContext {
    void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  };
  static std::unique_ptr<SSL_CTX, FreeContext> load(const TlsFiles& files) {
    std::unique_ptr<SSL_CTX, FreeContext> made(SSL_CTX_new(TLS_server_method()));
    const auto check = [](int result, const std::string& what) {
      if (result == 1) return;
      const unsigned long first = ERR_get_error();  // a file that can't be read is named first
      const char* why = ERR_SYSTEM_ERROR(first) ? std::strerror(ERR_GET_REASON(first))
                                                : ERR_reason_error_string(first);
      throw std::runtime_error(what + ": " + (why != nullptr ? why : "OpenSSL does not say why"));
    };
    check(made != nullptr ? 1 : 0, "a TLS context can't be made");
    check(SSL_CTX_set_min_proto_version(made.get(), TLS1_2_VERSION), "TLS 1.2 can't be had");
    check(SSL_CTX_use_certificate_chain_file(made.get(), files.certificate.c_str()),
          "--tls-cert " + files.certificate);
    check(SSL_CTX_use_PrivateKey_file(made.get(), files.key.c_str(), SSL_FILETYPE_PEM),
          "--tls-key " + files.key);
    if (files.client_ca.empty()) return made;
    const char* const ca = files.client_ca.c_str();
    const std::string what = "--tls-client-ca " + files.client_ca;
    check(SSL_CTX_load_verify_locations(made.get(), ca, nullptr), what);
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(ca);  // SSL_CTX takes it
    check(names != nullptr ? 1 : 0, what);
    SSL_CTX_set_client_CA_list(made.get(), names);
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Without a name for its sessions a client that has a certificate resumes nothing. Keys of
    // tickets move, and a client of other CAs must not resume what these would not let in.
    std::ifstream file(files.client_ca, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    check(EVP_Digest(text.data(), text.size(), id, &size, EVP_sha256(), nullptr), what);
    check(SSL_CTX_set_session_id_context(made.get(), id, size), "a name for sessions");
    return made;
  }

  std::vector<std::unique_ptr<handoff::tls::Context>> contexts_;  // one for each lane
#endif
};

}  // namespace example
