// proxy, release 2: where an upstream refuses, the next one is tried. The state of a session is
// which one it is at; release 1 has none, and ignores it.
#include <charconv>

#include "proxy.h"

namespace {

class Relay final : public handoff::uv::Pair {
 public:
  explicit Relay(std::string_view state = {}) {
    std::from_chars(state.data(), state.data() + state.size(), at_);
  }

  void on_open(bool adopted) override {
    if (!adopted) try_next();
  }
  void on_upstream_refused(int) override {
    ++at_;
    try_next();
  }

 protected:
  std::string save() const override { return std::to_string(at_); }

 private:
  void try_next() {
    for (; at_ < proxy::upstreams.size(); ++at_) {
      if (connect(proxy::upstreams[at_]) == 0) return;
    }
    close();
  }

  std::size_t at_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  return proxy::run(argc, argv, "2.0", [](handoff::uv::Host& host, const std::string& address) {
    host.listen(
        "public", address, [] { return std::make_unique<Relay>(); },
        [](std::string_view state) { return std::make_unique<Relay>(state); });
  });
}
