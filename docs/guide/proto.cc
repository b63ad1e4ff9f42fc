// tally, with a state of protobuf: what release 2 adds to it needs no step.
#include <algorithm>
#include <handoff/protobuf.hpp>
#include <handoff/uv.hpp>

#include "tally.h"
#include "tally.pb.h"

class Tally : public handoff::uv::Stream {
 public:
  explicit Tally(tally::State state = {}) : state_(std::move(state)) {}

  static std::unique_ptr<Tally> restore(std::string_view state) {
    return std::make_unique<Tally>(handoff::from_state<tally::State>(state));
  }

 protected:
  std::string save() const override { return handoff::to_state(state_); }
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      write(answer(input.substr(used, end - used)));
      used = end + 1;
    }
  }

 private:
  std::string answer(std::string_view line) {
    const std::int64_t before = state_.total();
    std::int64_t total = before;
    const std::string reply =
        add(total, line == "undo" ? std::to_string(-state_.last()) : std::string(line));
    state_.set_total(total);
    state_.set_last(total - before);
    return reply;
  }

  tally::State state_;
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "tally", .version = "2.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [] { return std::make_unique<Tally>(); }, Tally::restore);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
