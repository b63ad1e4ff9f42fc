// A TCP proxy: each client gets a connection to the upstream, and both move.
#include <handoff/uv_pair.hpp>
#include <memory>

class Relay final : public handoff::uv::Pair {
 public:
  void on_open(bool adopted) override {
    if (!adopted && connect("tcp:127.0.0.1:8080") < 0) close();
  }
  void on_upstream_refused(int /*error*/) override {
    write("the upstream is away\n");
    close();
  }
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "relay", .version = "1.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7005", [] { return std::make_unique<Relay>(); },
        [](std::string_view) { return std::make_unique<Relay>(); });
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
