// chat's page, plain and over TLS: people at browsers and people at terminals talk through
// upgrades.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>

#include "support/clients/line_client.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"
#include "tls_fixture.h"

namespace handoff::test {
namespace {

using testing::HasSubstr;

std::string chat(int version) { return program("handoff-chat-" + std::to_string(version)); }

// A message of a browser, with a mask of zeros.
std::string message(std::string_view text) {
  std::string out = "\x81";
  out += static_cast<char>(0x80 | text.size());
  return out.append(4, '\0').append(text);
}

// One connection to the page: bytes that are typed, and bytes that are waited for.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void type(std::string_view bytes) = 0;
  virtual void wait_for(std::string_view text) = 0;
};
class PlainPeer final : public Peer {
 public:
  explicit PlainPeer(int port) : client_(port) {}
  void type(std::string_view bytes) override { client_.send(bytes); }
  void wait_for(std::string_view text) override {
    while (got_.find(text) == std::string::npos) {
      const std::string more = client_.datagram();
      if (more == "EOF") throw std::runtime_error("the end came instead of " + std::string(text));
      got_ += more;
    }
  }

 private:
  LineClient client_;
  std::string got_;
};
class TlsPeer final : public Peer {
 public:
  TlsPeer(int port, const Certificate& certificate)
      : client_(s_client(port, certificate, {"-quiet"})) {}
  void type(std::string_view bytes) override { client_.type(bytes); }
  void wait_for(std::string_view text) override { client_.wait_for(text); }

 private:
  Typed client_;
};

class ChatPageTest : public testing::TestWithParam<bool> {
 protected:
  bool tls() const { return GetParam(); }
  std::vector<std::string> command() const {
    std::vector<std::string> out = {chat(1)};
    const auto options = certificate_.options();
    if (tls()) out.insert(out.end(), options.begin(), options.end());
    return out;
  }
  std::unique_ptr<Peer> connect() const {
    const int port = supervisor_.port("page");
    if (tls()) return std::make_unique<TlsPeer>(port, certificate_);
    return std::make_unique<PlainPeer>(port);
  }
  // Loads no page, and goes to the WebSocket at once.
  std::unique_ptr<Peer> browser(const std::string& nick) const {
    auto out = connect();
    out->type(std::string("GET /talk HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n") +
              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    out->wait_for("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    out->wait_for("* Welcome to chat");
    out->type(message("/nick " + nick));
    out->wait_for("You are " + nick);
    return out;
  }
  void upgrade_to(int version) {
    supervisor_.settle();
    const auto upgrade = supervisor_.upgrade(chat(version));
    ASSERT_EQ(upgrade.status, 0) << upgrade.describe();
  }
  std::string curl(const std::string& path, std::vector<std::string> options) const {
    options.insert(options.begin(),
                   {"/usr/bin/env", "curl", "-sS", "-i", "--cacert", certificate_.path()});
    options.push_back((tls() ? "https://127.0.0.1:" : "http://127.0.0.1:") +
                      std::to_string(supervisor_.port("page")) + path);
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome.status, 0) << outcome.describe();
    return outcome.out;
  }

  const Certificate certificate_;
  Supervisor supervisor_{{.command = command(),
                          .name = "chat",
                          .listeners = {"public=tcp:127.0.0.1:0", "page=tcp:127.0.0.1:0"}}};
};
INSTANTIATE_TEST_SUITE_P(Page, ChatPageTest, testing::Values(false, true),
                         [](const auto& row) { return row.param ? "Tls" : "Plain"; });

TEST_P(ChatPageTest, CurlGetsThePageInEachRelease) {
  for (const int version : {2, 1}) {
    EXPECT_THAT(curl("/", {}), HasSubstr("<title>chat</title>"));
    EXPECT_THAT(curl("/nothing", {}), HasSubstr("HTTP/1.1 404 "));
    EXPECT_THAT(curl("/talk", {"-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H",
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H",
                               "Origin: https://evil.example"}),
                HasSubstr("HTTP/1.1 403 "));
    upgrade_to(version);
  }
}

TEST_P(ChatPageTest, TwoPeopleTalkThroughUpgrades) {
  auto ann = browser("ann"), bob = browser("bob");
  int upgrades = 0;
  for (const int version : {2, 1, 2}) {
    const std::string round = "round " + std::to_string(++upgrades);
    const std::string half = message("half a frame, " + round);
    ann->type(half.substr(0, 9));
    upgrade_to(version);
    ann->type(half.substr(9));
    bob->wait_for("ann: half a frame, " + round);
    bob->type(message("heard, " + round));
    ann->wait_for("bob: heard, " + round);
    ann->type(message("/who"));
    ann->wait_for("* chat " + std::to_string(version) + ", #lobby, 2 people:");
  }
  bob->type(message("/quit"));
  bob->wait_for("* Bye, bob.\x88\x02\x03\xe8");
  ann->wait_for("* bob has left.");
}

// Whether it is whole or not.
TEST_P(ChatPageTest, ALongRequestIsRefused) {
  for (const std::string end : {"\r\n\r\n", ""}) {
    auto somebody = connect();
    somebody->type("GET / HTTP/1.1\r\nX: " + std::string(9000, 'x') + end);
    somebody->wait_for("HTTP/1.1 431 ");
  }
}

// Half a request is a session of nobody yet.
TEST_P(ChatPageTest, ARequestGoesOnInTheNextRelease) {
  auto somebody = connect();
  somebody->type("GET / HT");
  upgrade_to(2);
  somebody->type("TP/1.1\r\nHost: here\r\n\r\n");
  somebody->wait_for("<title>chat</title>");
}

// A person who comes in the middle of an upgrade comes to the next release.
TEST_P(ChatPageTest, ALateHandshakeIsGreetedByTheNextRelease) {
  if (!tls()) return;
  SlowClient page(supervisor_.port("page")), terminal(supervisor_.port());
  for (int i = 0; i < 2; ++i) curl("/", {});  // both came before
  upgrade_to(2);
  EXPECT_EQ(terminal.ask("", 20).substr(0, 20), "* Welcome to chat 2.");
  EXPECT_EQ(page.ask("GET / HTTP/1.1\r\nHost: here\r\n\r\n", 15).substr(0, 15), "HTTP/1.1 200 OK");
}

TEST_P(ChatPageTest, ATerminalHearsABrowser) {
  if (tls()) return;  // the terminal of this test is plain
  auto ann = browser("ann");
  LineClient nc(supervisor_.port());
  nc.say("/nick nc");
  nc.next_with("You are nc");
  upgrade_to(2);
  ann->type(message("from the page"));
  nc.next_with("ann: from the page");
  nc.say("no UTF-8: \xfc");
  ann->wait_for("nc: no UTF-8: ?");
}

}  // namespace
}  // namespace handoff::test
