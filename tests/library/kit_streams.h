// A Program of kits.h on a layer with a Host and Streams: what uv.hpp and asio.hpp have in common.
#pragma once

#include <cstdint>
#include <functional>
#include <handoff/handoff.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kits.h"

namespace handoff::test {

template <class Stream>
class StreamLine : public Stream, public Line {
 public:
  explicit StreamLine(std::unique_ptr<Session> session) : session_(std::move(session)) {
    session_->line_ = this;
  }
  std::size_t on_input(std::string_view input) override { return session_->input(input); }
  std::string save() const override { return session_->save(); }
  void on_open(bool adopted) override { session_->opened(adopted); }
  void on_closed() override { session_->closed(); }
  void on_moved() override { session_->moved(); }
  void on_overflow() override {
    if (!session_->overflow()) Stream::on_overflow();
  }

  void write(std::string_view bytes) override { Stream::write(bytes); }
  void close() override { Stream::close(); }
  void changed() override { Stream::changed(); }
  void pause() override { Stream::pause(); }
  void resume() override { Stream::resume(); }
  void hold() override { Stream::hold(); }
  void release() override { Stream::release(); }
  std::size_t seen() const override { return Stream::seen(); }
  int fd() const override { return Stream::fd(); }
  int state() const override { return static_cast<int>(this->host().service().state()); }
  void each(const std::function<void(Line&)>& f) override {
    this->host().for_each([&](Stream& s) { f(static_cast<StreamLine&>(s)); });
  }

 protected:
  const std::unique_ptr<Session> session_;
};

// Declares the program's listeners, of which each connection is a Line of the layer's, and sets its
// hooks. program must outlive the Host.
template <class Made, class Host>
void declare(Host& host, const Program& program) {
  const auto line_of = [](std::unique_ptr<Session> session) {
    return session ? std::make_unique<Made>(std::move(session)) : nullptr;
  };
  for (const Program::Listener& listener : program.listeners) {
    host.listen(
        listener.name, "tcp:127.0.0.1:0", [&listener, line_of] { return line_of(listener.make()); },
        [&listener, line_of](std::string_view state) { return line_of(listener.remake(state)); });
  }
  if (program.retired) host.on_retired([&] { program.retired(host.size()); });
  if (program.late) host.on_late(program.late);
  if (program.stopping) host.on_stop(program.stopping);
}

inline Now now(Service& service, const Program& program) {
  return {.state = static_cast<int>(service.state()),
          .fd = service.fd(),
          .address = service.named_address(program.listeners.front().name)};
}

// 0 for the owner; else the exit status.
template <class Host>
int start(Host& host, const Program& program) {
  try {
    host.start();
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (program.started) program.started(now(host.service(), program));
  return 0;
}

// Runs each lane in a thread of its own, and lane 0 in this one, whose result it returns.
template <class RunLane>
int run_lanes(std::uint32_t lanes, RunLane&& run_lane) {
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < lanes; ++i) threads.emplace_back([&, i] { run_lane(i); });
  const int result = run_lane(0);
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace handoff::test
