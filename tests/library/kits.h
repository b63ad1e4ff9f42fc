// One service over each of the layers that own connections, uv.hpp, poll.h and asio.hpp: a test
// says once what its sessions do, and each layer must do it alike. Processes of two layers hand
// over to each other.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "handoff/handoff.h"

namespace handoff::test {

// What a session may do to its connection.
class Line {
 public:
  virtual ~Line() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual void close() = 0;
  virtual void changed() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual void hold() = 0;
  virtual void release() = 0;
  virtual std::size_t seen() const = 0;
  virtual int fd() const = 0;
  virtual int state() const = 0;  // of the service: HANDOFF_STATE_*
  virtual void each(const std::function<void(Line&)>& f) = 0;
};

// A session as the tests write it.
class Session {
 public:
  virtual ~Session() = default;
  virtual std::size_t input(std::string_view bytes) = 0;
  virtual std::string save() const { return "s"; }
  virtual void opened(bool /*adopted*/) {}
  virtual void closing() {}  // a last word may be written
  virtual void closed() {}
  virtual void moved() {}
  // False for what the layer does by itself.
  virtual bool overflow() { return false; }

  Line& line() const { return *line_; }
  void write(std::string_view bytes) const { line_->write(bytes); }

  Line* line_ = nullptr;  // the layer's
};

// A service in a turn of its loop.
struct Now {
  int state = 0;             // HANDOFF_STATE_*
  int fd = -1;               // handoff_fd()
  std::string address = {};  // of the first listener
};

// The listeners, the sessions and the hooks of one service.
struct Program {
  using Make = std::function<std::unique_ptr<Session>()>;
  using Remake = std::function<std::unique_ptr<Session>(std::string_view state)>;
  struct Listener {
    std::string name;
    Make make;
    Remake remake;  // may throw, or return nullptr: refused
  };

  std::vector<Listener> listeners;
  std::uint32_t lanes = 1;
  std::size_t max_input = 0;
  std::uint64_t tick_ms = 0;  // of a timer that calls tick
  std::function<void()> tick = {};
  std::function<void(const Now&)> started = {};
  std::function<void(const Now&)> each_turn = {};  // before the loop waits
  std::function<void(std::size_t sessions)> retired = {};
  std::function<void(std::uint64_t waiting)> late = {};
  std::function<void()> stopping = {};
};
// The only listener is "public", and make() restores as well.
template <class S>
Program program_of() {
  return {.listeners = {{"public", [] { return std::make_unique<S>(); },
                         [](std::string_view) { return std::make_unique<S>(); }}}};
}

// A listener of this name has no overflow() of its own on any layer.
inline constexpr const char* kByDefault = "by-default";

// Runs a program to its end. The exit status: 0, 3 in an heir whose handoff failed, 2 for an error.
using Layer = int (*)(const Program& program);
int run_on_uv(const Program& program);
int run_on_poll(const Program& program);
int run_on_asio(const Program& program);

// A donor's layer and an heir's.
struct Layers {
  const char* name;
  Layer donor;
  Layer heir;
};
inline constexpr Layers kEachLayer[] = {{"Uv", run_on_uv, run_on_uv},
                                        {"Poll", run_on_poll, run_on_poll},
                                        {"Asio", run_on_asio, run_on_asio}};
inline constexpr Layers kAllLayers[] = {
    {"UvToUv", run_on_uv, run_on_uv},         {"PollToPoll", run_on_poll, run_on_poll},
    {"UvToPoll", run_on_uv, run_on_poll},     {"PollToUv", run_on_poll, run_on_uv},
    {"AsioToAsio", run_on_asio, run_on_asio}, {"UvToAsio", run_on_uv, run_on_asio},
    {"AsioToUv", run_on_asio, run_on_uv}};

class KitTest : public ::testing::TestWithParam<Layers> {
 protected:
  static std::function<int()> donor(Program program) {
    return [layer = GetParam().donor, program = std::move(program)] { return layer(program); };
  }
  static std::function<int()> heir(Program program) {
    return [layer = GetParam().heir, program = std::move(program)] { return layer(program); };
  }
};
inline std::string layers_of(const ::testing::TestParamInfo<Layers>& info) {
  return info.param.name;
}

}  // namespace handoff::test
