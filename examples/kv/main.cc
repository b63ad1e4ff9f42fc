// handoff-kv-1, handoff-kv-2: a key-value server that speaks RESP2. See README.md.
#include <example/door.h>

#include <getopt.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "client.h"
#include "data_section.h"
#include "engine.h"
#include "pulse.h"
#include "release.h"

namespace {

struct Arguments {
  std::string listen = "tcp:127.0.0.1:6379";
  std::string name = "kv";
  example::TlsFiles tls;
};

[[noreturn]] void usage(const char* program, int status) {
  std::fprintf(status == 0 ? stdout : stderr,
               "usage: %s [--listen ADDRESS] [--name NAME] [TLS]\n"
               "  --listen  tcp:HOST:PORT, unless a supervisor has the listener (default "
               "tcp:127.0.0.1:6379)\n"
               "  --name    of the service (default kv)\n"
               "TLS, with files of PEM:\n"
               "  --tls-cert FILE --tls-key FILE  clients speak TLS then\n"
               "  --tls-client-ca FILE            and need a certificate of one of these\n",
               program);
  std::exit(status);
}

Arguments parse(int argc, char** argv) {
  static const option kOptions[] = {
      {"listen", required_argument, nullptr, 'l'},
      {"name", required_argument, nullptr, 'n'},
      {"tls-cert", required_argument, nullptr, 'c'},
      {"tls-key", required_argument, nullptr, 'k'},
      {"tls-client-ca", required_argument, nullptr, 'a'},
      {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0},
  };
  Arguments arguments;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 'l':
        arguments.listen = optarg;
        break;
      case 'n':
        arguments.name = optarg;
        break;
      case 'c':
        arguments.tls.certificate = optarg;
        break;
      case 'k':
        arguments.tls.key = optarg;
        break;
      case 'a':
        arguments.tls.client_ca = optarg;
        break;
      case 'h':
        usage(argv[0], 0);
      default:
        usage(argv[0], 2);
    }
  }
  if (optind < argc) usage(argv[0], 2);
  return arguments;
}

void run(const Arguments& arguments) {
  uv_loop_t* loop = uv_default_loop();
  kv::Engine engine;
  kv::DataSection data(engine);
  const auto service = handoff::Service::open({.name = arguments.name,
                                               .version = kv::kReleaseVersion,
                                               .state_version = kv::kSessionStateVersion});
  service->section("data", data, kv::kDataReads, kv::kDataWrites);
  constexpr std::size_t kMaxRequest = std::size_t{1} << 30;  // many values, of 512 MiB each
  example::Door door(arguments.tls, *service, kMaxRequest);
  kv::declare_state_steps(*service);

  handoff::uv::Host host(loop, *service);
  host.max_input = kMaxRequest + kMaxRequest / 4;  // records are larger than what is in them
  door.listen<kv::Client>(host, "public", arguments.listen, {}, engine);
  kv::Pulse pulse(host, engine);
  host.on_finished([&] { pulse.stop(); });
  host.start();
  pulse.start();
  engine.facts = {service->generation(), service->supervised(), service->named_address("public")};
  uv_run(loop, UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  // A connection is an open file, and the usual soft limit is 1,024.
  if (rlimit limit{}; ::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  // The reader of its output may be gone, which must not end a service.
  (void)std::signal(SIGPIPE, SIG_IGN);
  return handoff::run([&] { run(arguments); });
}
