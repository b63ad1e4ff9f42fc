// What both releases of the proxy have: the options, and the way from them to a running service.
#pragma once

#include <example/program.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <handoff/uv_pair.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

// The upstreams in the order in which they are tried.
inline std::vector<std::string> upstreams;  // NOLINT: set once, before the loop

// Takes --upstream ADDRESS, which may come several times, out of the arguments.
inline void take_upstreams(int& argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--upstream" && i + 1 < argc) {
      upstreams.emplace_back(argv[++i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  if (!upstreams.empty()) return;
  std::fprintf(stderr, "%s: --upstream ADDRESS is needed, tcp:127.0.0.1:8080 say\n", argv[0]);
  std::exit(2);
}

inline int run(int argc, char** argv, const std::string& version,
               const std::function<void(handoff::uv::Host&, const std::string& address)>& listen) {
  take_upstreams(argc, argv);
  const auto options =
      example::parse_options(argc, argv, {.listen = "tcp:127.0.0.1:7000", .name = "proxy"});
  return example::run_program([&] {
    auto service = handoff::Service::open({.name = options.name, .version = version});
    handoff::uv::Host host(uv_default_loop(), *service);
    listen(host, options.listen);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}

}  // namespace proxy
