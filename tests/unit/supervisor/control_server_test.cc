// The operators' socket, when a request's handler fails.
#include "supervisor/operators/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "support/process/files.h"

namespace handoff::supervisor {
namespace {

class ControlServerTest : public testing::Test {
 protected:
  ControlServerTest() {
    EXPECT_EQ(uv_loop_init(&loop), 0);
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, (scratch / "s").c_str());
  }
  ~ControlServerTest() override {
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop), 0);
  }
  const sockaddr* name() const { return reinterpret_cast<const sockaddr*>(&address); }
  UniqueFd listen() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::bind(fd.get(), name(), sizeof address), 0);
    return fd;
  }
  // The answer to one request.
  std::string ask(const std::string& line) {
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), name(), sizeof address), 0);
    EXPECT_EQ(::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(line.size()));
    std::string answer;
    char chunk[4096];
    for (;;) {
      const ssize_t n = ::recv(fd.get(), chunk, sizeof chunk, MSG_DONTWAIT);
      if (n == 0) return answer;
      if (n > 0) {
        answer.append(chunk, static_cast<std::size_t>(n));
      } else {
        uv_run(&loop, UV_RUN_ONCE);
      }
    }
  }

  test::TempDir scratch;
  sockaddr_un address{};
  uv_loop_t loop;
};

TEST_F(ControlServerTest, WhatARequestThrowsIsTheAnswerToItsClientAlone) {
  int served = 0;
  ControlServer server(&loop, listen(), [&](const ClientPtr& client, const Request& request) {
    ++served;
    if (request.service == "bad") throw std::out_of_range("no such share");
    client.lock()->finish({{"result", "done"}});
  });
  const auto bad = nlohmann::json::parse(ask("{\"command\":\"stop\",\"service\":\"bad\"}\n"));
  EXPECT_EQ(bad.at("error").at("code"), "internal");
  EXPECT_EQ(bad.at("error").at("message"), "the supervisor failed in this request: no such share");
  const auto good = nlohmann::json::parse(ask("{\"command\":\"stop\",\"service\":\"good\"}\n"));
  EXPECT_EQ(good.at("result"), "done");
  EXPECT_EQ(served, 2);
}

// A client that waits for an upgrade takes no `status` client's place.
TEST_F(ControlServerTest, ThoseWhoWaitForAnswersTakeNobodysPlaceUpToABoundThatIsTold) {
  std::vector<ClientPtr> waiting;
  ControlServer server(&loop, listen(), [&](const ClientPtr& client, const Request& request) {
    if (request.service == "long") return waiting.push_back(client);
    client.lock()->finish({{"result", "done"}});
  });
  std::vector<UniqueFd> clients;
  const std::string request = "{\"command\":\"stop\",\"service\":\"long\"}\n";
  while (waiting.size() < ControlServer::kMaxWaiting) {
    if (waiting.size() == clients.size()) {
      UniqueFd& fd = clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(::connect(fd.get(), name(), sizeof address), 0);
      ASSERT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(request.size()));
    }
    if (waiting.size() == ControlServer::kMaxWaiting / 2) {
      const auto other = nlohmann::json::parse(ask("{\"command\":\"status\"}\n"));
      EXPECT_EQ(other.at("result"), "done");
    }
    uv_run(&loop, UV_RUN_NOWAIT);
  }
  const auto refused = nlohmann::json::parse(ask("{\"command\":\"status\"}\n"));
  EXPECT_EQ(refused.at("error").at("code"), "crowded");
  // Each of the others still gets its answer, and makes room.
  for (const ClientPtr& client : waiting) client.lock()->finish({{"result", "done"}});
  while (!waiting.back().expired()) uv_run(&loop, UV_RUN_NOWAIT);
  EXPECT_EQ(nlohmann::json::parse(ask("{\"command\":\"status\"}\n")).at("result"), "done");
}

// All of them have asked before the supervisor turns to the first.
TEST_F(ControlServerTest, WhoHasAskedMakesNoRoomThoughNobodyHasReadItYet) {
  constexpr std::size_t kAtOnce = 3 * ControlServer::kMaxClients;
  std::size_t served = 0;
  ControlServer server(&loop, listen(), [&](const ClientPtr& client, const Request&) {
    ++served;
    client.lock()->finish({{"result", "done"}});
  });
  const std::string request = "{\"command\":\"status\"}\n";
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < kAtOnce; ++i) {
    UniqueFd& fd = clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(fd.get(), name(), sizeof address), 0);
    ASSERT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  for (const UniqueFd& fd : clients) {
    char byte = 0;
    ssize_t n = -1;
    while ((n = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT)) < 0) uv_run(&loop, UV_RUN_ONCE);
    ASSERT_EQ(n, 1) << "turned away without a word";
  }
  EXPECT_EQ(served, kAtOnce);
}

TEST_F(ControlServerTest, WhatIsNoRequestIsNotServed) {
  ControlServer server(&loop, listen(), [](const ClientPtr&, const Request&) { FAIL(); });
  for (const char* line : {"\n", "[]\n", "{\"command\":\"stop\"}\n", "\xff\n"}) {
    EXPECT_EQ(nlohmann::json::parse(ask(line)).at("error").at("code"), "bad_request") << line;
  }
}

}  // namespace
}  // namespace handoff::supervisor
