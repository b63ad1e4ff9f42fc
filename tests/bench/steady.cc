// The cost of libhandoff while nothing is upgraded: echo, on libuv and on Asio, and kv under load,
// supervised, against servers without the library. echo's are plain_echo.cc and plain_asio_echo.cc;
// kv's has its own objects linked with null_handoff.c. Server and load have a core each. The two
// servers take turns run by run.
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "benches.h"
#include "clock.h"
#include "herd.h"
#include "plain_server.h"
#include "support/process/process.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace bench {
namespace {

constexpr std::size_t kConnections = 50;
constexpr const char* kRedisBenchmark = "/usr/bin/redis-benchmark";

class EchoLoad {
 public:
  EchoLoad(int port, bool quick) : second_(quick ? 50'000'000 : 1'000'000'000) {
    clients_.connect(port, kConnections);
  }
  double per_second() {
    clients_.load_with(kConnections, true);
    rest(second_ + second_ / 5);
    const std::uint64_t end = now_ns();
    double answered = 0;
    for (const Sample& s : clients_.stop()) {
      if (s.answered_ns < end && s.answered_ns >= end - second_) ++answered;
    }
    return answered * 1e9 / static_cast<double>(second_);
  }

 private:
  std::uint64_t second_;
  Herd clients_{load_cpu()};
};

// Requests a second by redis-benchmark's own account.
double redis_benchmark(int port, const std::string& test, bool quick) {
  test::Process load({"/usr/bin/taskset", "-c", std::to_string(load_cpu()), kRedisBenchmark, "-p",
                      std::to_string(port), "-P", "16", "-c", std::to_string(kConnections), "-n",
                      quick ? "5000" : "800000", "-r", "100000", "-t", test, "--csv"});
  const test::Outcome outcome = load.finish();
  if (outcome.status != 0) throw std::runtime_error("redis-benchmark: " + outcome.err);
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {  // "SET","123456.78",...
    const std::size_t value = line.find("\",\"");
    if (value == std::string::npos) continue;
    const std::string number = line.substr(value + 3);
    if (number.empty() || std::isdigit(static_cast<unsigned char>(number[0])) == 0) continue;
    return std::stod(number);
  }
  throw std::runtime_error("redis-benchmark says: " + load.out());
}

// A figure that is measured of both servers, run by run.
struct Comparison {
  std::string what;
  std::vector<double> with = {};
  std::vector<double> without = {};

  // With and without take turns in going first.
  template <class With, class Without>
  void measure(std::size_t run, With&& measure_with, Without&& measure_without) {
    Report::progress("steady: " + what + ": run " + std::to_string(run));
    if (run % 2 == 0) with.push_back(measure_with());
    without.push_back(measure_without());
    if (run % 2 == 1) with.push_back(measure_with());
  }
  Row row() const {
    Row row = paired("steady", what, Unit::kPerSecond, "without", without, with);
    row.target = ratio_at_least(0.98);
    return row;
  }
};

test::Supervisor::Options supervised(const std::string& program) {
  test::Supervisor::Options options;
  options.command = {test::program(program)};
  return options;
}

// Each run has new processes: by the place of its memory a process is up to a tenth faster or
// slower than another one, for all its life.
void run_echo(const Options& options, std::size_t run, const char* with_handoff,
              const char* without_handoff, Comparison& echo) {
  test::Supervisor service(supervised(with_handoff));
  pin(service.service_pid(), kServerCpu);
  const PlainServer plain(without_handoff);
  EchoLoad with(service.port(), options.quick);
  EchoLoad without(plain.port(), options.quick);
  echo.measure(
      run, [&] { return with.per_second(); }, [&] { return without.per_second(); });
}

void run_kv(const Options& options, std::size_t run, std::vector<Comparison>& kv) {
  test::Supervisor::Options setup = supervised("handoff-kv-1");
  setup.name = "kv";
  test::Supervisor service(setup);
  pin(service.service_pid(), kServerCpu);
  const int service_port = service.port();
  const PlainServer plain("plain_kv", {"--listen", "tcp:127.0.0.1:PORT"});
  for (const int at : {service_port, plain.port()}) {
    redis_benchmark(at, "set", true);  // makes keys for get
  }
  for (Comparison& one : kv) {
    const auto load = [&](int at) { return redis_benchmark(at, one.what, options.quick); };
    one.measure(
        run, [&] { return load(service_port); }, [&] { return load(plain.port()); });
  }
}

}  // namespace

void steady(const Options& options, Report& report) {
  const bool has_load = ::access(kRedisBenchmark, X_OK) == 0;
  Comparison echo{"echo, 50 connections"};
  Comparison on_asio{"echo on Asio, 50 connections"};
  std::vector<Comparison> kv = {{"set"}, {"get"}};
  // The difference is small, so there are twice as many runs as elsewhere.
  for (std::size_t run = 1; run <= (options.quick ? 1 : 2 * options.runs); ++run) {
    run_echo(options, run, "handoff-echo-1", "plain_echo", echo);
    run_echo(options, run, "asio_echo", "plain_asio_echo", on_asio);
    if (has_load) run_kv(options, run, kv);
  }
  report.add(echo.row());
  report.add(on_asio.row());
  if (!has_load)
    report.add(not_run("steady", "kv", "redis-benchmark is not installed (redis-tools)"));
  for (Comparison& one : kv) {
    one.what = "kv, redis-benchmark -P 16, " + one.what;
    if (has_load) report.add(one.row());
  }
}

}  // namespace bench
