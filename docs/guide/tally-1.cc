// tally on handoff::uv, release 1.
#include <algorithm>
#include <handoff/uv.hpp>

#include "tally.h"

class Tally : public handoff::uv::Stream {
 public:
  explicit Tally(std::int64_t total = 0) : total_(total) {}

  static std::unique_ptr<Tally> restore(std::string_view state) {
    return std::make_unique<Tally>(std::stoll(std::string(state)));
  }

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (;;) {
      const std::size_t end = input.find('\n', std::max(used, seen()));
      if (end == std::string_view::npos) return used;
      write(add(total_, input.substr(used, end - used)));
      used = end + 1;
    }
  }
  std::string save() const override { return std::to_string(total_); }

 private:
  std::int64_t total_;
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "tally", .version = "1.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7002", [] { return std::make_unique<Tally>(); }, Tally::restore);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
