// The service of the bench `tls`: TLS or plain (example/door.h), with a state of a given size.
//
//   tls_service [--listen ADDRESS] [--release N] [--state BYTES] [--tls-cert FILE --tls-key FILE]
#include <example/door.h>
#include <example/program.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tls_requests.h"

namespace {

template <class Base>
class Session final : public Base {
 public:
  template <class... Below>
  explicit Session(std::size_t state, Below&... below) : Base(below...), state_(state, 's') {}

  void restore(std::string_view state) {
    if (state.size() > state_.size()) {
      requests_.go_on(state.back());
      state.remove_suffix(1);
    }
    state_ = state;
  }

 protected:
  // As the service that it is compared with; on_open() would cost each session a visit at a switch.
  void on_secure() override {
    const int yes = 1;
    (void)::setsockopt(this->fd(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }
  std::size_t on_plain(std::string_view input) override {
    requests_.take(input, [this](std::string_view answer) { this->write(answer); });
    return input.size();
  }
  std::string save_plain() const override {
    return requests_.under_way() == 0 ? state_ : state_ + requests_.under_way();
  }

 private:
  bench::Requests requests_;
  std::string state_;
};

struct Arguments {
  std::string listen = "tcp:127.0.0.1:0";
  std::string release = "1";
  std::size_t state = 0;
  example::TlsFiles tls = {};
};

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (out.tls.take(option, argv[i + 1])) continue;
    if (option == "--listen") {
      out.listen = argv[i + 1];
    } else if (option == "--release") {
      out.release = argv[i + 1];
    } else if (option == "--state") {
      out.state = std::stoul(argv[i + 1]);
    } else {
      throw std::runtime_error("no such option: " + std::string(option));
    }
  }
  return out;
}

void run(Arguments arguments) {
  auto service = handoff::Service::open({.name = "bench", .version = arguments.release});
  example::Door door(arguments.tls, *service);
  handoff::uv::Host host(uv_default_loop(), *service);
  door.listen<Session>(host, "public", arguments.listen, {}, arguments.state);
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_program([&] { run(parse(argc, argv)); });
}
