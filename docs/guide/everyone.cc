// A timer that writes to all connections: each second everybody hears how many they are.
#include <handoff/uv.hpp>
#include <set>

using Everyone = std::set<handoff::uv::Stream*>;

class Guest : public handoff::uv::Stream {
 public:
  explicit Guest(Everyone& everyone) : everyone_(everyone) {}

 protected:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return ""; }
  void on_open(bool /*adopted*/) override { everyone_.insert(this); }
  void on_closed() override { everyone_.erase(this); }
  void on_moved() override { everyone_.erase(this); }

 private:
  Everyone& everyone_;
};

void tell_everyone(uv_timer_t* timer) {
  const auto& everyone = *static_cast<Everyone*>(timer->data);
  for (auto* guest : everyone) guest->write(std::to_string(everyone.size()) + " here\n");
}

int main() {
  return handoff::run([] {
    Everyone everyone;
    uv_timer_t timer;
    auto service = handoff::Service::open({.name = "guests", .version = "1.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    const auto make = [&](auto...) { return std::make_unique<Guest>(everyone); };
    host.listen("public", "tcp:127.0.0.1:7004", make, make);
    host.start();
    uv_timer_init(uv_default_loop(), &timer);
    timer.data = &everyone;
    uv_timer_start(&timer, tell_everyone, 1000, 1000);
    host.on_retired([&] { uv_timer_stop(&timer); });
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
