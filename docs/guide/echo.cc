// The README's twenty lines.
#include <handoff/uv.hpp>

class Echo : public handoff::uv::Stream {
 public:
  explicit Echo(std::string_view state = "0") : bytes_(std::stoull(std::string(state))) {}
  std::size_t on_input(std::string_view input) override {
    bytes_ += input.size();
    write(input);
    return input.size();
  }
  std::string save() const override { return std::to_string(bytes_); }

 private:
  std::uint64_t bytes_;
};

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "echo", .version = "1.0"});
    handoff::uv::Host host(uv_default_loop(), *service);
    host.listen(
        "public", "tcp:127.0.0.1:7000", [] { return std::make_unique<Echo>(); },
        [](std::string_view state) { return std::make_unique<Echo>(state); });
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}
