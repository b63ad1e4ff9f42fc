// Serves all listeners that the configuration names, whatever they are called.
#include <handoff/uv.hpp>

class Echo : public handoff::uv::Stream {
 public:
  explicit Echo(std::string_view = "") {}
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return ""; }
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "echo", .version = "1.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen_offered([] { return std::make_unique<Echo>(); },
                        [](std::string_view state) { return std::make_unique<Echo>(state); });
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
