// The layer of uv.hpp, for kits.h.
#include <handoff/uv.hpp>

#include "kit_streams.h"

namespace handoff::test {
namespace {

class UvLine final : public StreamLine<uv::Stream> {
 public:
  using StreamLine::StreamLine;
  void close() override {
    if (!closing()) session_->closing();
    StreamLine::close();
  }
};

int run_lane(uv::Host& host, const Program& program) {
  if (const int result = start(host, program); result != 0) return result;
  struct Own {
    const Program& program;
    Service& service;
  } own{program, host.service()};
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
    if (program.max_input > 0) hosts[i]->max_input = program.max_input;
    declare<UvLine>(*hosts[i], program);
  }
  if (program.lanes > 1) service->start();
  return run_lanes(program.lanes, [&](std::uint32_t i) { return run_lane(*hosts[i], program); });
}

}  // namespace handoff::test
