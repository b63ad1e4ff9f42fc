// echo, release 1: the state of a connection is the number of its lines.
#include <example/fields.h>
#include <example/program.h>

#include <memory>

#include "echo_stream.h"
#include "loops.h"

namespace {

constexpr std::uint32_t kStateVersion = 1;  // { lines }

class Echo1 final : public echo::EchoStream {
 public:
  explicit Echo1(std::uint64_t lines = 0) : EchoStream("1", lines) {}

  static std::unique_ptr<Echo1> restore(std::string_view state) {
    example::FieldReader fields(state);
    const std::uint64_t lines = fields.number();
    fields.done();
    return std::make_unique<Echo1>(lines);
  }

 protected:
  std::string save() const override { return example::FieldWriter().number(lines()).take(); }
};

void run(const example::ProgramOptions& options) {
  auto service = handoff::Service::open({.name = options.name,
                                         .version = "1.0",
                                         .state_version = kStateVersion,
                                         .lanes = options.threads});
  echo::run_loops(*service, [&](handoff::uv::Host& host) {
    host.listen("public", options.listen, [] { return std::make_unique<Echo1>(); }, Echo1::restore,
                {.independent = true});
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = example::parse_options(
      argc, argv, {.listen = "tcp:127.0.0.1:7000", .name = "echo", .threads = 1});
  return example::run_program([&] { run(options); });
}
