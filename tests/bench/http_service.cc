// A small HTTP/1.1 server on uv.hpp, to be compared with other servers. It answers any GET with the
// release's number, and keeps connections alive.
//
//   http_service [--release N]
#include <csignal>
#include <cstdio>
#include <handoff/uv.hpp>
#include <memory>
#include <string>

namespace {

class Session final : public handoff::uv::Stream {
 public:
  explicit Session(const std::string& answer) : answer_(answer) {}

 protected:
  std::size_t on_input(std::string_view input) override {
    std::size_t used = 0;
    for (std::size_t end; (end = input.find("\r\n\r\n", used)) != std::string_view::npos;) {
      write(answer_);
      used = end + 4;
    }
    return used;
  }
  std::string save() const override { return {}; }

 private:
  const std::string& answer_;
};

void run(const std::string& release) {
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " +
                             std::to_string(release.size()) + "\r\n\r\n" + release;
  auto service = handoff::Service::open({.name = "http", .version = release});
  handoff::uv::Host host(uv_default_loop(), *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<Session>(answer); },
      [&](std::string_view) { return std::make_unique<Session>(answer); });
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  try {
    run(argc == 3 && std::string_view(argv[1]) == "--release" ? argv[2] : "1");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "http_service: %s\n", error.what());
    return 1;
  }
}
