// The service that the benches upgrade. It echoes lines, and each session has a state of a given
// size, which is all that the session costs.
//
//   bench_service [--listen ADDRESS] [--release N] [--state BYTES] [--passes N] [--section BYTES]
//                 [--region BYTES]
//
// --passes: for each request the service reads the session's state so often, as if it computed
// something.
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <handoff/uv.hpp>
#include <memory>
#include <optional>
#include <string>

#include "big_section.h"

namespace {

std::optional<handoff::Region> table;

// Reads every page, as a service does that uses its region. That happens before an answer to a
// client, and so not in an upgrade: the memory of two processes can't be read at one moment, so a
// page that one has just left and the other just taken would count twice.
void read_all(const handoff::Region& region) {
  const volatile std::byte* const bytes = region.bytes().data();
  for (std::size_t at = 0; at < region.bytes().size(); at += 4096) (void)bytes[at];
}

class Session final : public handoff::uv::Stream {
 public:
  Session(std::string state, std::size_t passes) : state_(std::move(state)), passes_(passes) {}

 protected:
  std::size_t on_input(std::string_view input) override {
    if (table) read_all(*table);
    for (std::size_t pass = 0; pass < passes_; ++pass) work_on(state_);
    write(input);
    return input.size();
  }
  std::string save() const override { return state_; }

 private:
  // Hashes the state. Each step needs the one before, so the processor can't run them side by side.
  static void work_on(const std::string& state) {
    std::uint64_t hash = 1469598103934665603U;
    for (const char c : state) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    [[maybe_unused]] static volatile std::uint64_t result;
    result = hash;
  }

  std::string state_;
  std::size_t passes_;
};

struct Arguments {
  std::string listen = "tcp:127.0.0.1:0";
  std::string release = "1";
  std::size_t state = 0;
  std::size_t passes = 0;
  std::size_t section = 0;
  std::size_t region = 0;
};

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "--listen") {
      out.listen = value;
    } else if (option == "--release") {
      out.release = value;
    } else if (option == "--state") {
      out.state = std::stoul(value);
    } else if (option == "--passes") {
      out.passes = std::stoul(value);
    } else if (option == "--section") {
      out.section = std::stoul(value);
    } else if (option == "--region") {
      out.region = std::stoul(value);
    } else {
      throw std::runtime_error("no such option: " + std::string(option));
    }
  }
  return out;
}

void run(const Arguments& arguments) {
  auto service = handoff::Service::open({.name = "bench", .version = arguments.release});
  bench::BigSection section(arguments.section);
  if (arguments.section > 0) section.declare(service->raw());
  if (arguments.region > 0) table = service->region("table", {1}, 1, arguments.region);
  handoff::uv::Host host(uv_default_loop(), *service);
  host.listen(
      "public", arguments.listen,
      [&] {
        return std::make_unique<Session>(std::string(arguments.state, 's'), arguments.passes);
      },
      [&](std::string_view state) {
        return std::make_unique<Session>(std::string(state), arguments.passes);
      });
  host.start();
  if (arguments.section > 0) section.fill_if_new();
  if (table && !table->adopted()) {
    table->grow(arguments.region);
    std::memset(table->bytes().data(), 1, arguments.region);
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  try {
    run(parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_service: %s\n", error.what());
    return 1;
  }
}
