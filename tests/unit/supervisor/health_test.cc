// Health checks against real sockets and programs.
#include "supervisor/processes/health.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "libhandoff/sys/socket.h"
#include "supervisor/processes/reaper.h"

namespace handoff::supervisor {
namespace {

using namespace std::chrono_literals;
using Kind = HealthCheck::Kind;

class HealthTest : public testing::Test {
 protected:
  HealthTest() { uv_loop_init(&loop_); }
  ~HealthTest() override {
    uv_run(&loop_, UV_RUN_DEFAULT);  // the handles' close callbacks
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  void listen() {
    listener_ = std::move(*io::bind_address(*core::parse_address("tcp:127.0.0.1:0")));
    address_ = *io::bound_address(listener_.get());
  }
  // Answers the first connection; with nullopt takes it and says nothing.
  void serve(std::optional<std::string> answer) {
    listen();
    answer_ = std::move(answer);
    server_ = std::make_unique<Poll>(&loop_, listener_.get(), [this](int) {
      client_.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      server_->watch(0);
      if (!answer_) return;
      conversation_ = std::make_unique<Poll>(&loop_, client_.get(), [this](int) { reply(); });
      conversation_->watch(UV_READABLE);
    });
    server_->watch(UV_READABLE);
  }
  void reply() {
    std::array<char, 1024> asked{};
    const ssize_t n = ::recv(client_.get(), asked.data(), asked.size(), 0);
    asked_.assign(asked.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    EXPECT_EQ(::send(client_.get(), answer_->data(), answer_->size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer_->size()));
    conversation_.reset();
    client_.reset();
  }
  // The result of the first check, or of the nth.
  HealthHeard first(HealthCheck check, int nth = 1) {
    std::optional<HealthHeard> heard;
    {
      HealthWatch watch(&loop_, std::move(check), [&](HealthHeard what) {
        heard = std::move(what);
        if (--nth == 0) uv_stop(&loop_);
      });
      Reaper reaper(&loop_, [&](pid_t pid, const Exit& exit) { watch.ended(pid, exit); });
      watch.watch(7, ::getpid(), address_);
      EXPECT_FALSE(heard) << "never inside watch()";
      uv_run(&loop_, UV_RUN_DEFAULT);
      watch.watch(0, -1, "");
    }
    conversation_.reset();
    server_.reset();
    EXPECT_TRUE(heard);
    return heard.value_or(HealthHeard{});
  }
  static HealthCheck check(Kind kind) { return {.kind = kind, .interval = 1ms, .timeout = 10s}; }

  uv_loop_t loop_{};
  UniqueFd listener_;
  UniqueFd client_;
  std::string address_;
  std::optional<std::string> answer_;
  std::string asked_;
  std::unique_ptr<Poll> server_;
  std::unique_ptr<Poll> conversation_;
};

TEST_F(HealthTest, TcpIsWellIfSomebodyListens) {
  listen();
  const HealthHeard heard = first(check(Kind::kTcp));
  EXPECT_TRUE(heard.healthy) << heard.why;
  EXPECT_EQ(heard.generation, 7U);
  EXPECT_EQ(heard.why, "");
}

TEST_F(HealthTest, TcpIsNotWellIfNobodyDoes) {
  listen();
  listener_.reset();
  const HealthHeard heard = first(check(Kind::kTcp));
  EXPECT_FALSE(heard.healthy);
  EXPECT_NE(heard.why.find("Connection refused"), std::string::npos) << heard.why;
  EXPECT_NE(heard.why.find(address_), std::string::npos) << heard.why;
}

TEST_F(HealthTest, HttpAsksForThePathAndIsWellAt2xx) {
  serve("HTTP/1.1 204 No Content\r\n\r\n");
  HealthCheck http = check(Kind::kHttp);
  http.path = "/healthz";
  const HealthHeard heard = first(http);
  EXPECT_TRUE(heard.healthy) << heard.why;
  EXPECT_EQ(asked_.substr(0, 23), "GET /healthz HTTP/1.0\r\n");
}

TEST_F(HealthTest, HttpIsNotWellAtAnyOtherStatus) {
  for (const char* status : {"500", "404", "301", "199", "300"}) {
    serve("HTTP/1.0 " + std::string(status) + " Whatever\r\n\r\n");
    const HealthHeard heard = first(check(Kind::kHttp));
    EXPECT_FALSE(heard.healthy) << status;
    EXPECT_NE(heard.why.find("status " + std::string(status)), std::string::npos) << heard.why;
  }
}

TEST_F(HealthTest, WhatIsNotHttpIsNotWell) {
  for (const std::string& answer :
       {std::string("1.0 1\n"), std::string("HTTP/1.1\n"), std::string("HTTP/1.1 2"),
        std::string("HTTP/1.1 abc OK\r\n"), std::string("HTTP/1.1 2x0 OK\r\n"),
        std::string("HTTP/1.1 -20 OK\r\n"), std::string("HTTP/1.1 2000 OK\r\n"),
        std::string("HTTP/1.x 200 OK\r\n"), std::string("HTTP/1. and then 200\n"),
        std::string(5000, 'x'), std::string("\n")}) {
    serve(answer);
    const HealthHeard heard = first(check(Kind::kHttp));
    EXPECT_FALSE(heard.healthy) << answer;
    EXPECT_NE(heard.why.find("not HTTP"), std::string::npos) << heard.why;
  }
}

TEST_F(HealthTest, SilenceIsNotWell) {
  serve(std::nullopt);
  HealthCheck http = check(Kind::kHttp);
  http.timeout = 20ms;
  const HealthHeard heard = first(http);
  EXPECT_FALSE(heard.healthy);
  EXPECT_NE(heard.why.find("no answer within 20 ms"), std::string::npos) << heard.why;
}

TEST_F(HealthTest, AProgramIsAskedAndToldWhomItIsAbout) {
  address_ = "tcp:127.0.0.1:7000";
  HealthCheck exec = check(Kind::kExec);
  exec.command = {"sh", "-c",
                  "test $HANDOFF_CHECK_PID = " + std::to_string(::getpid()) +
                      " && test $HANDOFF_CHECK_ADDRESS = tcp:127.0.0.1:7000"};
  const HealthHeard heard = first(exec);
  EXPECT_TRUE(heard.healthy) << heard.why;
}

TEST_F(HealthTest, AProgramThatFailsOrIsNotThereSaysThatItIsNotWell) {
  HealthCheck exec = check(Kind::kExec);
  exec.command = {"sh", "-c", "exit 3"};
  EXPECT_NE(first(exec).why.find("sh exited with status 3"), std::string::npos);
  exec.command = {"/no/such/program"};
  EXPECT_NE(first(exec).why.find("exited with status 127"), std::string::npos);
}

TEST_F(HealthTest, AProgramThatTakesTooLongIsEndedWithAllThatItHasStarted) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  HealthCheck exec = check(Kind::kExec);
  exec.timeout = 50ms;
  exec.command = {"sh", "-c", "sleep 1000 & sleep 1000"};
  const HealthHeard heard = first(exec);
  EXPECT_FALSE(heard.healthy);
  ::close(pipe[1]);
  char byte = 0;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0) << "EOF: nobody has the other end any more";
  ::close(pipe[0]);
}

TEST_F(HealthTest, ItIsAskedAgainAndAgain) {
  listen();
  EXPECT_TRUE(first(check(Kind::kTcp), 5).healthy);
}

}  // namespace
}  // namespace handoff::supervisor
