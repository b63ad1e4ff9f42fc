// handoff-bench: measures a handoff, and prints what it found as one table.
//
//   handoff-bench [NAME...] [--runs N] [--quick] [--folder DIR] [--json FILE]
//
// Exit status: 0 if all of it ran, whatever the figures; 1 if a bench broke; 2 usage.
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>

#include "benches.h"
#include "chart.h"
#include "floor.h"
#include "herd.h"
#include "partner.h"
#include "sockets.h"
#include "tls_handshakes.h"
#include "web_clients.h"
#include "writers.h"

namespace bench {
namespace {

struct Named {
  std::string name;
  void (*run)(const Options&, Report&);
};
const std::vector<Named> kBenches = {{"copy", copy},
                                     {"blackout", blackout},
                                     {"upgrade", upgrade},
                                     {"section", section},
                                     {"region", region},
                                     {"memory", memory},
                                     {"supervisor", supervisor},
                                     {"services", services},
                                     {"writes", writes},
                                     {"steady", steady},
                                     {"tls", tls},
                                     {"peers", peers}};
const std::map<std::string, Role> kRoles = {{"herd", herd},
                                            {"web-clients", web_clients},
                                            {"writers", writers},
                                            {"handshakes", handshakes},
                                            {"floor-sender", floor_sender},
                                            {"floor-receiver", floor_receiver},
                                            {"sessions-in-memory", sessions_in_memory}};

[[noreturn]] void usage(int status) {
  std::string names;
  for (const Named& bench : kBenches) names += " " + bench.name;
  (status == 0 ? std::cout : std::cerr) << "usage: handoff-bench [NAME...] [--runs N] [--quick] "
                                           "[--folder DIR] [--json FILE]\nbenches:"
                                        << names << std::endl;
  std::exit(status);
}

Options parse(int argc, char** argv) {
  Options options;
  bool runs_given = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--help" || option == "-h") usage(0);
    if (option == "--quick") {
      options.quick = true;
    } else if (option == "--runs" && has_value) {
      options.runs = std::stoul(argv[++i]);
      runs_given = true;
    } else if (option == "--folder" && has_value) {
      options.folder = argv[++i];
    } else if (option == "--json" && has_value) {
      options.json = argv[++i];
    } else if (std::any_of(kBenches.begin(), kBenches.end(),
                           [&](const Named& bench) { return bench.name == option; })) {
      options.names.emplace_back(option);
    } else {
      std::cerr << "handoff-bench: what is '" << option << "'?" << std::endl;
      usage(2);
    }
  }
  if (options.quick && !runs_given) options.runs = 1;
  if (options.runs == 0) usage(2);
  if (options.json.empty()) options.json = options.folder / "bench.json";
  return options;
}

nlohmann::json host() {
  utsname system{};
  ::uname(&system);
  return {{"kernel", system.release},
          {"cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"fds", raise_fd_limit()}};
}

void write_file(const std::filesystem::path& path, const std::string& text) {
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw std::runtime_error("can't write " + path.string());
}

int run(const Options& options) {
  raise_fd_limit();  // the services have it from the supervisor, and it from here
  Report report(options.quick);
  nlohmann::json broken = nlohmann::json::object();
  for (const Named& bench : kBenches) {
    if (!options.names.empty() &&
        std::find(options.names.begin(), options.names.end(), bench.name) == options.names.end()) {
      continue;
    }
    try {
      bench.run(options, report);
    } catch (const std::exception& error) {
      broken[bench.name] = error.what();
      report.add(not_run(bench.name, "all of it", "broke, see below"));
    }
  }
  Report::progress("");
  std::cout << report.text();
  nlohmann::json json = report.json();
  json["runs"] = options.runs;
  json["quick"] = options.quick;
  json["host"] = host();
  json["broken"] = broken;
  write_file(options.json, json.dump(2) + "\n");
  const std::string chart =
      svg("Upgrade of TCP sessions with 1 KiB of state each", report.series());
  if (!chart.empty()) write_file(options.folder / "bench.svg", chart);
  for (const auto& [name, why] : broken.items()) {
    std::cerr << "handoff-bench: " << name << " broke: " << why.get<std::string>() << std::endl;
  }
  return broken.empty() ? 0 : 1;
}

// Runs as a partner (partner.h), and tells errors to the process that started it.
int play(int argc, char** argv) {
  const auto role = kRoles.find(argv[2]);
  if (role == kRoles.end()) usage(2);
  const int cpu = argc > 3 ? std::stoi(argv[3]) : -1;
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    (void)::sched_setaffinity(0, sizeof set, &set);
  }
  try {
    return role->second();
  } catch (const std::exception& error) {
    say(kRoleSocket, {{"error", error.what()}});
    return 1;
  }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  (void)std::signal(SIGPIPE, SIG_IGN);
  try {
    if (argc >= 3 && std::string_view(argv[1]) == "--role") return bench::play(argc, argv);
    return bench::run(bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "handoff-bench: " << error.what() << std::endl;
    return 1;
  }
}
