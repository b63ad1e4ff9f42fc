// echo, release 2: also keeps when a connection's first line came, and tells the operator on
// SIGUSR1 for how long the oldest conversation has been going on. Clients see the same protocol.
#include <example/door.h>
#include <example/fields.h>
#include <example/program.h>

#include <algorithm>
#include <cinttypes>
#include <vector>

#include "echo_stream.h"
#include "loops.h"

namespace {

constexpr std::uint32_t kStateVersion = 2;  // { lines, first_line_ns }
constexpr std::uint64_t kUnknown = 0;       // no line yet, or it came to a release 1

// What release 1 does not know.
struct Conversation {
  // CLOCK_MONOTONIC, which all processes of this host share.
  std::uint64_t first_line_ns = kUnknown;
};

template <class Base>
class Echo2 final : public echo::EchoStream<Base>, public Conversation {
 public:
  template <class... Below>
  explicit Echo2(Below&... below) : echo::EchoStream<Base>("2", below...) {}

  void restore(std::string_view state) {
    example::FieldReader fields(state);
    this->set_lines(fields.number());
    first_line_ns = fields.number();
    fields.done();
  }

 protected:
  void on_line(std::uint64_t number) override {
    if (number == 1) first_line_ns = uv_hrtime();
  }
  std::string save_plain() const override {
    return example::FieldWriter().number(this->lines()).number(first_line_ns).take();
  }
};

// The two small functions that a change of the state costs: one for the upgrade from release 1, one
// for the way back.
std::string state_1_to_2(std::string_view state) {
  example::FieldReader fields(state);
  const std::uint64_t lines = fields.number();
  fields.done();
  return example::FieldWriter().number(lines).number(kUnknown).take();
}
std::string state_2_to_1(std::string_view state) {
  example::FieldReader fields(state);
  const std::uint64_t lines = fields.number();
  fields.number();
  fields.done();
  return example::FieldWriter().number(lines).take();
}

void report(const handoff::uv::Host& host) {
  const std::uint64_t now = uv_hrtime();
  std::uint64_t oldest = now;
  host.for_each([&](const handoff::uv::Stream& stream) {
    const std::uint64_t first = dynamic_cast<const Conversation&>(stream).first_line_ns;
    if (first != kUnknown) oldest = std::min(oldest, first);
  });
  std::fprintf(stderr, "echo 2: %zu connections, the oldest conversation since %" PRIu64 " s\n",
               host.size(), (now - oldest) / 1'000'000'000);
}

void run(const example::ProgramOptions& options) {
  auto service = handoff::Service::open({.name = options.name,
                                         .version = "2.0",
                                         .state_version = kStateVersion,
                                         .lanes = options.threads,
                                         .vault = true});
  example::Door door(options.tls, *service);
  service->on_upgrade_state(1, 2, state_1_to_2);
  service->on_downgrade_state(2, 1, state_2_to_1);
  std::vector<uv_signal_t> reports(options.threads);  // each loop speaks of its own connections
  echo::run_loops(*service, [&](handoff::uv::Host& host) {
    door.listen<Echo2>(host, "public", options.listen, {.independent = true});
    uv_signal_t& reporter = reports[host.service().index()];
    uv_signal_init(host.loop(), &reporter);
    reporter.data = &host;
    uv_signal_start(
        &reporter, [](uv_signal_t* s, int) { report(*static_cast<handoff::uv::Host*>(s->data)); },
        SIGUSR1);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = example::parse_options(
      argc, argv,
      {.listen = "tcp:127.0.0.1:7000", .name = "echo", .threads = 1, .takes_tls = true});
  return example::run_program([&] { run(options); });
}
