// tls.hpp in the client's role: connections to a TLS server that a service opens by
// Host::connect().
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <handoff/tls.hpp>
#include <memory>
#include <string>

#include "../../unit/tls/peer.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "tls_echo.h"

namespace handoff::test {
namespace {

using protocol::Type;
using tls::test::make_context;
using tls::test::SslContext;

struct Relay {
  SSL_CTX* ssl = nullptr;
  std::string upstream;
  std::string name;
};

// The one client, and the upstream, of this process.
uv::Stream* down = nullptr;
tls::Stream* up = nullptr;

class Up final : public tls::Stream {
 public:
  Up(tls::Context& context, const Relay& relay) : Stream(context, tls::Client{relay.name}) {}

 protected:
  void on_open(bool /*adopted*/) override { up = this; }
  void on_secure() override {
    const handoff_tls_info known = info();
    down->write("secure, server " + std::string(known.peer_subject, known.peer_subject_length) +
                "\n");
  }
  std::size_t on_plain(std::string_view plain) override {
    down->write(plain);
    return plain.size();
  }
  void on_tls_end(tls::End how) override {
    if (how == tls::End::kFailed) down->write(std::string(why()) + "\n");
  }
  void on_refused(int error) override { down->write("refused " + std::to_string(error) + "\n"); }
  std::string save_plain() const override { return {}; }
};

class Down final : public uv::Stream {
 public:
  Down(tls::Context& context, const Relay& relay) : context_(context), relay_(relay) {}

 protected:
  void on_open(bool adopted) override {
    down = this;
    if (!adopted) host().connect("up", relay_.upstream, std::make_unique<Up>(context_, relay_));
  }
  std::size_t on_input(std::string_view input) override {
    up->write(input);
    return input.size();
  }
  std::string save() const override { return {}; }

 private:
  tls::Context& context_;
  const Relay& relay_;
};

std::function<int()> relaying(const Relay& relay) {
  return [relay] {
    uv_loop_t loop;
    uv_loop_init(&loop);
    auto service = Service::open({.name = "test", .version = "1"});
    tls::Context context(relay.ssl, *service);
    uv::Host host(&loop, *service);
    context.join(host);
    host.listen(
        "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<Down>(context, relay); },
        [&](std::string_view) { return std::make_unique<Down>(context, relay); });
    host.outgoing("up", [&](std::string_view) { return std::make_unique<Up>(context, relay); });
    try {
      host.start();
    } catch (const Exception& e) {
      std::fprintf(stderr, "%s\n", e.what());
      return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
  };
}

class TlsClientRoleTest : public testing::TestWithParam<const char*> {
 protected:
  TlsClientRoleTest() {
    SSL_CTX_set_verify(clients_.get(), SSL_VERIFY_PEER, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(clients_.get()),
                        SSL_CTX_get0_certificate(servers_.get()));
    upstream_ = std::make_unique<ServiceProcess>(1, tls_echo(echo_));
    relay_.upstream = upstream_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  static std::string ask(LineClient& client, const std::string& line) {
    client.send(line + "\n");
    return client.line();
  }
  SslContext servers_ = make_context(GetParam());
  SslContext clients_ = make_context(GetParam());
  TlsEchoOptions echo_{.face = TlsFace::kCpp, .ssl = servers_.get()};
  std::unique_ptr<ServiceProcess> upstream_;
  Relay relay_{.ssl = clients_.get(), .upstream = {}, .name = "example.org"};
};
INSTANTIATE_TEST_SUITE_P(Versions, TlsClientRoleTest,
                         testing::Values("TLS_AES_128_GCM_SHA256",
                                         "ECDHE-ECDSA-AES128-GCM-SHA256"));

TEST_P(TlsClientRoleTest, AConnectionToAServerMoves) {
  auto service = std::make_unique<ServiceProcess>(1, relaying(relay_));
  const auto owner = service->await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  EXPECT_EQ("secure, server CN=example.org\n", client.line());
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    ASSERT_EQ("hello\n", ask(client, "hello"));
    auto heir = start_heir(*service, generation, relaying(relay_));
    EXPECT_EQ(2U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, service->wait());
    service = std::move(heir);
    ASSERT_EQ("and on\n", ask(client, "and on"));
    // The server moves as well.
    auto server = start_heir(*upstream_, generation, tls_echo(echo_));
    server->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, upstream_->wait());
    upstream_ = std::move(server);
  }
  EXPECT_EQ("last\n", ask(client, "last"));
}

TEST_P(TlsClientRoleTest, AServerOfAnotherNameIsRefused) {
  relay_.name = "other.example";
  ServiceProcess service(1, relaying(relay_));
  const auto owner = service.await_message<v1::Owner>(Type::kOwner);
  LineClient client(owner.named(0).address());
  EXPECT_THAT(client.line(), testing::HasSubstr("certificate verify failed"));
}

}  // namespace
}  // namespace handoff::test
