// tally, release 2: the line "undo" takes the last number back. So the state has to have it.
#include <handoff/uv.hpp>
#include <sstream>

#include "tally.h"

struct State {
  std::int64_t total = 0;
  std::int64_t last = 0;

  std::string text() const { return std::to_string(total) + " " + std::to_string(last); }
  static State parse(std::string_view text) {
    State state;
    std::istringstream in{std::string(text)};
    if (!(in >> state.total >> state.last)) throw std::runtime_error("tally: not a state 2");
    return state;
  }
};

std::string state_1_to_2(std::string_view state) {
  return std::string(state) + " 0";  // nothing to undo
}
std::string state_2_to_1(std::string_view state) {
  return std::to_string(State::parse(state).total);
}

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
      const std::size_t end = input.find('\n', used);
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
  auto service = handoff::Service::open({.name = "tally", .version = "2.0", .state_version = 2});
  service->on_upgrade_state(1, 2, state_1_to_2);
  service->on_downgrade_state(2, 1, state_2_to_1);
  handoff::uv::Host host(uv_default_loop(), *service);
  host.listen(
      "public", "tcp:127.0.0.1:7002", [] { return std::make_unique<Tally>(); }, Tally::restore);
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
