// A client without a socket, and an engine whose clock the test sets.
#ifndef HANDOFF_TESTS_UNIT_KV_FAKE_CLIENT_H
#define HANDOFF_TESTS_UNIT_KV_FAKE_CLIENT_H

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine.h"
#include "inline_request.h"

namespace kv {

class FakeClient : public Connection {
 public:
  FakeClient(Engine& engine, std::uint64_t id, SessionState state = {})
      : engine_(engine), session_(*this) {
    session_.id = id;
    session_.state = std::move(state);
    engine_.attach(session_);
  }
  virtual ~FakeClient() { engine_.detach(session_); }

  // Words as in an inline request. Returns the reply as it is on the wire.
  std::string ask(std::string_view line) {
    auto words = split_inline(line);
    return ask(std::move(*words));
  }
  std::string ask(std::vector<std::string> words) {
    engine_.execute(session_, words);
    return take();
  }
  // The output since the last call.
  std::string take() { return std::exchange(output_, {}); }

  Session& session() { return session_; }
  SessionState& state() { return session_.state; }
  int changes = 0;
  bool ending = false;

 private:
  void send(std::string_view bytes) override { output_ += bytes; }
  void hang_up() override { ending = true; }
  void note_change() override { ++changes; }
  bool is_ending() const override { return ending; }
  std::string peer() const override { return "127.0.0.1:1"; }

  Engine& engine_;
  Session session_;
  std::string output_;
};

class EngineTest : public testing::Test {
 protected:
  static constexpr Time kStart = 1'000 * kSecond;
  inline static Time now = kStart;
  static Time clock() { return now; }

  EngineTest() : reset_((now = kStart)), engine(&clock), client(engine, 1) {}
  std::string ask(std::string_view line) { return client.ask(line); }
  void pass(Time time) {
    now += time;
    engine.tick();
  }

 private:
  Time reset_;

 protected:
  Engine engine;
  FakeClient client;
};

}  // namespace kv

#endif  // HANDOFF_TESTS_UNIT_KV_FAKE_CLIENT_H
