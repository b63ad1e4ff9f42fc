// The frame of every example: options from the command line, and a main() that says what went
// wrong.
#pragma once

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

namespace example {

struct ProgramOptions {
  std::string listen;  // where to bind when no supervisor and no donor gives the listener
  std::string name;    // of the service
};

// --listen ADDRESS and --name NAME over the defaults; anything else ends the program with status 2.
inline ProgramOptions parse_options(int argc, char** argv, ProgramOptions options) {
  const auto usage = [&](std::FILE* out, int status) {
    std::fprintf(out, "usage: %s [--listen ADDRESS] [--name NAME]\ndefaults: %s %s\n", argv[0],
                 options.listen.c_str(), options.name.c_str());
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
    } else {
      std::fprintf(stderr, "%s: unknown option, or one without its value: %s\n", argv[0], argv[i]);
      usage(stderr, 2);
    }
  }
  return options;
}

// Runs body(); what it throws is told, and becomes exit status 1.
template <class Body>
int run_program(const char* program, Body&& body) {
  // Who read what it prints may be gone: that ends no service.
  (void)std::signal(SIGPIPE, SIG_IGN);
  try {
    body();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program, error.what());
    return 1;
  }
}

}  // namespace example
