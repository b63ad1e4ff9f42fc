// tally, release 2: the line "undo" takes the last number back. So the state has to have it.
#include <algorithm>
#include <handoff/uv.hpp>

#include "tally.h"
#include "tally_state.h"

class Tally : public handoff::uv::Stream {
 public:
  explicit Tally(State state = {}) : state_(state) {}

  static std::unique_ptr<Tally> restore(std::string_view state) {
    return std::make_unique<Tally>(State::parse(state));
  }

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      write(answer(input.substr(used, end - used)));
      used = end + 1;
    }
  }
  std::string save() const override { return state_.text(); }

 private:
  std::string answer(std::string_view line) {
    const std::int64_t before = state_.total;
    const std::string reply =
        line == "undo" ? add(state_.total, std::to_string(-state_.last)) : add(state_.total, line);
    state_.last = state_.total - before;
    return reply;
  }

  State state_;
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "tally", .version = "2.0", .state_version = 2});
    service->on_upgrade_state(1, 2, state_1_to_2);
    service->on_downgrade_state(2, 1, state_2_to_1);
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [] { return std::make_unique<Tally>(); }, Tally::restore);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
