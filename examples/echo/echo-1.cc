// echo, release 1: the state of a connection is the number of its lines.
#include <example/door.h>
#include <example/fields.h>
#include <example/program.h>

#include "echo_stream.h"
#include "loops.h"

namespace {

constexpr std::uint32_t kStateVersion = 1;  // { lines }

template <class Base>
class Echo1 final : public echo::EchoStream<Base> {
 public:
  template <class... Below>
  explicit Echo1(Below&... below) : echo::EchoStream<Base>("1", below...) {}

  void restore(std::string_view state) {
    example::FieldReader fields(state);
    this->set_lines(fields.number());
    fields.done();
  }

 protected:
  std::string save_plain() const override {
    return example::FieldWriter().number(this->lines()).take();
  }
};

void run(const example::ProgramOptions& options) {
  auto service = handoff::Service::open({.name = options.name,
                                         .version = "1.0",
                                         .state_version = kStateVersion,
                                         .lanes = options.threads,
                                         .vault = true});
  example::Door door(options.tls, *service);
  echo::run_loops(*service, [&](handoff::uv::Host& host) {
    door.listen<Echo1>(host, "public", options.listen, {.independent = true});
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = example::parse_options(
      argc, argv,
      {.listen = "tcp:127.0.0.1:7000", .name = "echo", .threads = 1, .takes_tls = true});
  return example::run_program([&] { run(options); });
}
