// The layer of asio.hpp, for kits.h.
#include <asio/steady_timer.hpp>
#include <handoff/asio.hpp>
#include <thread>

#include "kits.h"

namespace handoff::test {
namespace {

class AsioLine final : public handoff::asio::Stream, public Line {
 public:
  explicit AsioLine(std::unique_ptr<Session> session) : session_(std::move(session)) {
    session_->line_ = this;
  }
  std::size_t on_input(std::string_view input) override { return session_->input(input); }
  std::string save() const override { return session_->save(); }
  void on_open(bool adopted) override { session_->opened(adopted); }
  void on_closing() override { session_->closing(); }
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
  int state() const override { return static_cast<int>(host().service().state()); }
  void each(const std::function<void(Line&)>& f) override {
    host().for_each([&](Stream& s) { f(static_cast<AsioLine&>(s)); });
  }

 private:
  std::unique_ptr<Session> session_;
};

std::unique_ptr<AsioLine> line_of(std::unique_ptr<Session> session) {
  return session ? std::make_unique<AsioLine>(std::move(session)) : nullptr;
}

Now now(Service& service, const Program& program) {
  return {.state = static_cast<int>(service.state()),
          .fd = service.fd(),
          .address = service.named_address(program.listeners.front().name)};
}

struct Ticker {
  ::asio::steady_timer timer;
  const Program& program;
  void next() {
    timer.expires_after(std::chrono::milliseconds(program.tick_ms));
    timer.async_wait([this](const auto& error) {
      if (error) return;
      program.tick();
      next();
    });
  }
};

int run_lane(handoff::asio::Host& host, Service& service, const Program& program) {
  try {
    host.start();
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (program.started) program.started(now(service, program));
  Ticker ticker{::asio::steady_timer(host.io()), program};
  if (program.tick_ms > 0) ticker.next();
  while (!host.io().stopped()) {
    if (program.each_turn) program.each_turn(now(service, program));
    host.io().run_one();
  }
  return 0;
}

}  // namespace

int run_on_asio(const Program& program) {
  auto service = Service::open({.name = "test", .version = "1", .lanes = program.lanes});
  std::vector<std::unique_ptr<::asio::io_context>> contexts;
  std::vector<std::unique_ptr<handoff::asio::Host>> hosts;
  for (std::uint32_t i = 0; i < program.lanes; ++i) {
    contexts.push_back(std::make_unique<::asio::io_context>());
    hosts.push_back(std::make_unique<handoff::asio::Host>(
        *contexts[i], service->lane(i), handoff::asio::Host::Options{program.max_input}));
    handoff::asio::Host& host = *hosts[i];
    for (const auto& listener : program.listeners) {
      host.listen(
          listener.name, "tcp:127.0.0.1:0", [&] { return line_of(listener.make()); },
          [&](std::string_view state) { return line_of(listener.remake(state)); });
    }
    if (program.retired) host.on_retired([&] { program.retired(host.size()); });
    if (program.late) host.on_late(program.late);
    if (program.stopping) host.on_stop(program.stopping);
  }
  if (program.lanes == 1) return run_lane(*hosts[0], *service, program);
  handoff::asio::Host::ready(*service);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < program.lanes; ++i) {
    threads.emplace_back([&, i] { run_lane(*hosts[i], service->lane(i), program); });
  }
  const int result = run_lane(*hosts[0], *service, program);
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace handoff::test
