// Pairs on uv_pair.hpp, for kit_pairs.h.
#include <handoff/uv_pair.hpp>
#include <memory>
#include <string>

#include "kit_pairs.h"

namespace handoff::test {
namespace {

class Relay final : public uv::Pair {
 public:
  explicit Relay(const PairOptions& options) : options_(options) {}
  void on_open(bool adopted) override {
    if (!adopted && !options_.upstream.empty() && connect(options_.upstream) < 0) close();
  }
  std::size_t on_input(std::string_view input) override {
    if (input == "hold\n") hold();
    if (input == "release\n") release();
    if (input == "go\n") {
      if (connect(options_.second) < 0) close();
      return input.size();
    }
    if (input == "fill and end\n") {
      write_upstream(std::string(kFill, 'x'));
      end_upstream();
      return input.size();
    }
    if (input == "who\n") {
      write(options_.version + "\n");
      return input.size();
    }
    return Pair::on_input(input);
  }
  void on_upstream_refused(int error) override {
    if (!tried_ && !options_.second.empty()) {
      tried_ = true;
      if (connect(options_.second) == 0) return;
    }
    if (!options_.apologizes) return;
    write("no upstream: " + std::to_string(error) + "\n");
    close();
  }

 private:
  const PairOptions& options_;
  bool tried_ = false;
};

}  // namespace

int run_pairs_on_uv(const PairOptions& options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = options.version});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<Relay>(options); },
      [&](std::string_view) {
        return options.refuses ? nullptr : std::make_unique<Relay>(options);
      });
  try {
    host.start();
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

}  // namespace handoff::test
