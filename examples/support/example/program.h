// The frame of every example: options from the command line, and the frame of main().
#pragma once

#include <sys/resource.h>
#include <handoff/handoff.hpp>

#include <concepts>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "tls_files.h"

namespace example {

struct ProgramOptions {
  std::string listen;  // where to bind when no supervisor and no donor gives the listener
  std::string name;    // of the service
  // Event loops, each on a thread of its own; 0 for a program that can have one only.
  unsigned threads = 0;
  bool takes_tls = false;  // the program knows the options of tls_files.h
  TlsFiles tls = {};
};

// --listen ADDRESS, --name NAME and, where the program has them, --threads N and those of TlsFiles
// over the defaults; anything else ends the program with status 2.
inline ProgramOptions parse_options(int argc, char** argv, ProgramOptions options) {
  const auto usage = [&](std::FILE* out, int status) {
    const bool threads = options.threads != 0;
    std::fprintf(
        out, "usage: %s [--listen ADDRESS] [--name NAME]%s%s\ndefaults: %s %s%s\n", argv[0],
        threads ? " [--threads N]" : "",
        options.takes_tls ? " [--tls-cert FILE --tls-key FILE [--tls-client-ca FILE]]" : "",
        options.listen.c_str(), options.name.c_str(), threads ? " 1" : "");
    std::exit(status);
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--help") usage(stdout, 0);
    const bool has_value = i + 1 < argc;
    if (option == "--listen" && has_value) {
      options.listen = argv[++i];
    } else if (option == "--name" && has_value) {
      options.name = argv[++i];
    } else if (has_value && options.takes_tls && options.tls.take(option, argv[i + 1])) {
      ++i;
    } else if (option == "--threads" && has_value && options.threads != 0) {
      const int threads = std::atoi(argv[++i]);
      if (threads < 1 || threads > 64) {
        std::fprintf(stderr, "%s: --threads takes 1 to 64\n", argv[0]);
        usage(stderr, 2);
      }
      options.threads = static_cast<unsigned>(threads);
    } else {
      std::fprintf(stderr, "%s: unknown option, or one without its value: %s\n", argv[0], argv[i]);
      usage(stderr, 2);
    }
  }
  return options;
}

// A connection is an open file, and the usual soft limit is 1,024 (getrlimit(2)).
inline void open_as_many_files_as_allowed() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

// handoff::run(), for a service with many connections whose output may lose its reader: that must
// not end it.
template <std::invocable Body>
int run_program(Body&& body) {
  open_as_many_files_as_allowed();
  (void)std::signal(SIGPIPE, SIG_IGN);
  return handoff::run(std::forward<Body>(body));
}

}  // namespace example
