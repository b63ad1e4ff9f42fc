// The layer of uv.hpp, for kits.h.
#include <handoff/uv.hpp>
#include <thread>

#include "kits.h"

namespace handoff::test {
namespace {

class UvLine final : public uv::Stream, public Line {
 public:
  explicit UvLine(std::unique_ptr<Session> session) : session_(std::move(session)) {
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
  void close() override {
    if (!closing()) session_->closing();
    Stream::close();
  }
  void changed() override { Stream::changed(); }
  void pause() override { Stream::pause(); }
  void resume() override { Stream::resume(); }
  void hold() override { Stream::hold(); }
  void release() override { Stream::release(); }
  std::size_t seen() const override { return Stream::seen(); }
  int fd() const override { return Stream::fd(); }
  int state() const override { return static_cast<int>(host().service().state()); }
  void each(const std::function<void(Line&)>& f) override {
    host().for_each([&](Stream& s) { f(static_cast<UvLine&>(s)); });
  }

 private:
  std::unique_ptr<Session> session_;
};

std::unique_ptr<UvLine> line_of(std::unique_ptr<Session> session) {
  return session ? std::make_unique<UvLine>(std::move(session)) : nullptr;
}

Now now(Service& service, const Program& program) {
  return {.state = static_cast<int>(service.state()),
          .fd = service.fd(),
          .address = service.named_address(program.listeners.front().name)};
}

int run_lane(uv::Host& host, Service& service, const Program& program) {
  try {
    host.start();
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (program.started) program.started(now(service, program));
  struct Own {
    const Program& program;
    Service& service;
  } own{program, service};
  uv_timer_t timer;
  uv_timer_init(host.loop(), &timer);
  timer.data = &own;
  if (program.tick_ms > 0) {
    uv_timer_start(
        &timer, [](uv_timer_t* t) { static_cast<Own*>(t->data)->program.tick(); }, program.tick_ms,
        program.tick_ms);
  }
  uv_prepare_t prepare;
  uv_prepare_init(host.loop(), &prepare);
  prepare.data = &own;
  if (program.each_turn) {
    uv_prepare_start(&prepare, [](uv_prepare_t* p) {
      auto& o = *static_cast<Own*>(p->data);
      o.program.each_turn(now(o.service, o.program));
    });
  }
  uv_run(host.loop(), UV_RUN_DEFAULT);
  return 0;
}

}  // namespace

int run_on_uv(const Program& program) {
  auto service = Service::open({.name = "test", .version = "1", .lanes = program.lanes});
  std::vector<uv_loop_t> loops(program.lanes);
  std::vector<std::unique_ptr<uv::Host>> hosts;
  for (std::uint32_t i = 0; i < program.lanes; ++i) {
    uv_loop_init(&loops[i]);
    hosts.push_back(std::make_unique<uv::Host>(&loops[i], service->lane(i)));
    uv::Host& host = *hosts[i];
    if (program.max_input > 0) host.max_input = program.max_input;
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
  service->start();
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < program.lanes; ++i) {
    threads.emplace_back([&, i] { run_lane(*hosts[i], service->lane(i), program); });
  }
  const int result = run_lane(*hosts[0], *service, program);
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace handoff::test
