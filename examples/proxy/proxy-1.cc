// proxy, release 1: relays each client to the first of the upstreams.
#include "proxy.h"

namespace {

class Relay final : public handoff::uv::Pair {
 public:
  void on_open(bool adopted) override {
    // One that came from a release before has its upstream, or is on the way to it.
    if (!adopted && connect(proxy::upstreams.front()) < 0) close();
  }
};

}  // namespace

int main(int argc, char** argv) {
  return proxy::run(argc, argv, "1.0", [](handoff::uv::Host& host, const std::string& address) {
    host.listen(
        "public", address, [] { return std::make_unique<Relay>(); },
        [](std::string_view) { return std::make_unique<Relay>(); });
  });
}
