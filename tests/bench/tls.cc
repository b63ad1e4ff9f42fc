// What TLS costs that moves: tls_service, on tls.hpp, against plain_tls_echo, the same service with
// SSL_read(3) and SSL_write(3), in turns; and against itself without TLS.
//
// Server and load have a core each, and a load costs about as much as what it asks for. So a
// throughput says as much of the load as of the server, and beside each stands what the server does
// in a second of its own CPU. The targets are for that.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "benches.h"
#include "clock.h"
#include "herd.h"
#include "plain_server.h"
#include "process_figures.h"
#include "sockets.h"
#include "subject.h"
#include "support/process/files.h"
#include "tls_client.h"
#include "tls_handshakes.h"
#include "tls_requests.h"

namespace bench {
namespace {

constexpr std::size_t kConnections = 50;
constexpr std::size_t kBulkConnections = 4;
constexpr std::size_t kPut = std::size_t{1} << 20;
constexpr std::size_t kHandshakes = 16;  // under way
constexpr std::size_t kIdle = 5000;
constexpr std::size_t kMoving = 10000;
constexpr double kProbesPerSecond = 4000;
constexpr double kMostBeside = 4096;  // bytes of a connection

struct Files {
  test::TempDir folder;
  std::string certificate = folder / "certificate.pem";
  std::string key = folder / "key.pem";
  Files() { write_certificate(certificate, key); }
  std::vector<std::string> options(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--tls-cert", certificate, "--tls-key", key});
    return more;
  }
};

// Something that a server is asked to do, again and again.
class Load {
 public:
  virtual ~Load() = default;
  virtual void begin() = 0;
  // The time that is measured begins; it has ended, and so much was done in it.
  virtual void mark() = 0;
  virtual double end() = 0;
  virtual pid_t pid() const = 0;
};

class RequestLoad final : public Load {
 public:
  // each: what counts of a request.
  RequestLoad(int port, std::size_t connections, const Ask& ask, double each)
      : connections_(connections), each_(each) {
    clients_.connect(port, connections, ask);
    clients_.ask_each();
  }
  void begin() override { clients_.load_with(connections_, true); }
  void mark() override { begun_ = now_ns(); }
  double end() override {
    const std::uint64_t ended = now_ns();
    double done = 0;
    for (const Sample& s : clients_.stop()) {
      if (s.answered_ns >= begun_ && s.answered_ns < ended) done += each_;
    }
    return done;
  }
  pid_t pid() const override { return clients_.pid(); }

 private:
  Herd clients_{load_cpu()};
  std::size_t connections_;
  double each_;
  std::uint64_t begun_ = 0;
};

class HandshakeLoad final : public Load {
 public:
  HandshakeLoad(int port, bool resume) : port_(port), resume_(resume) {}
  void begin() override { clients_.begin(port_, kHandshakes, resume_); }
  void mark() override { before_ = clients_.count(); }
  double end() override {
    const std::uint64_t after = clients_.count();
    clients_.stop();
    return static_cast<double>(after - before_);
  }
  pid_t pid() const override { return clients_.pid(); }

 private:
  Handshakes clients_{load_cpu()};
  int port_;
  bool resume_;
  std::uint64_t before_ = 0;
};

// Of one server under one load, run by run.
struct Figures {
  std::vector<double> per_second, per_cpu_second, cores, client_cores;

  void measure(pid_t server, Load& load, std::uint64_t second) {
    load.begin();
    rest(second / 5);  // by then the load is steady
    load.mark();
    const std::uint64_t begun = now_ns(), cpu = cpu_ns(server), client_cpu = cpu_ns(load.pid());
    rest(second);
    const auto elapsed = static_cast<double>(now_ns() - begun);
    const auto spent = static_cast<double>(cpu_ns(server) - cpu);
    const auto client_spent = static_cast<double>(cpu_ns(load.pid()) - client_cpu);
    const double done = load.end();
    if (done <= 0) throw std::runtime_error("tls: a server has done nothing in the time");
    per_second.push_back(done * 1e9 / elapsed);
    per_cpu_second.push_back(done * 1e9 / spent);
    cores.push_back(spent / elapsed);
    client_cores.push_back(client_spent / elapsed);
  }
};

struct Case {
  std::string what;
  Unit unit;
  double target;  // at least so many times what OpenSSL does
  std::function<std::unique_ptr<Load>(int port)> load;
  Figures ours = {}, openssls = {};
};

Case requests(const std::string& what, std::size_t bytes, double target) {
  return {what, Unit::kPerSecond, target, [bytes](int port) {
            return std::make_unique<RequestLoad>(port, kConnections,
                                                 Ask{.tls = true, .bytes = bytes}, 1);
          }};
}
Case bulk(const std::string& what, const Ask& ask, std::size_t each) {
  return {what, Unit::kBytesPerSecond, 0.95, [ask, each](int port) {
            return std::make_unique<RequestLoad>(port, kBulkConnections, ask,
                                                 static_cast<double>(each));
          }};
}
Case shaking(const std::string& what, bool resume) {
  return {what, Unit::kPerSecond, 0.95,
          [resume](int port) { return std::make_unique<HandshakeLoad>(port, resume); }};
}

// Each run has new processes: see steady.cc.
void run_speed(const Options& options, std::size_t run, const Files& files, Case& c) {
  Report::progress("tls: " + c.what + ": run " + std::to_string(run));
  const std::uint64_t second = options.quick ? 200'000'000 : 1'000'000'000;
  Subject service("tls_service", files.options());
  const pid_t pid = service.supervisor().service_pid();
  pin(pid, kServerCpu);
  const PlainServer openssls("plain_tls_echo", {"PORT", files.certificate, files.key});
  const auto load = c.load(service.port());
  const auto openssls_load = c.load(openssls.port());
  if (run % 2 == 0) c.ours.measure(pid, *load, second);
  c.openssls.measure(openssls.pid(), *openssls_load, second);
  if (run % 2 == 1) c.ours.measure(pid, *load, second);
}

void tell(Report& report, const Case& c) {
  const auto core = [](const std::vector<double>& of) {
    return format(quantile(of, 0.5), Unit::kRatio);
  };
  Row row = paired("tls", c.what, c.unit, "OpenSSL", c.openssls.per_second, c.ours.per_second);
  row.note = "of a core: OpenSSL's " + core(c.openssls.cores) + " and its clients " +
             core(c.openssls.client_cores) + ", ours " + core(c.ours.cores) + " and " +
             core(c.ours.client_cores);
  report.add(std::move(row));
  row = paired("tls", "  in a second of the server's CPU", c.unit, "OpenSSL",
               c.openssls.per_cpu_second, c.ours.per_cpu_second);
  row.target = ratio_at_least(c.target);
  report.add(std::move(row));
}

// Resident bytes of a connection that has asked once.
double bytes_each(pid_t server, int port, std::size_t connections, bool tls) {
  const auto before = static_cast<double>(rss_bytes(server));
  Herd clients;
  clients.connect(port, connections, {.tls = tls});
  clients.ask_each();
  return (static_cast<double>(rss_bytes(server)) - before) / static_cast<double>(connections);
}

void run_memory(const Options& options, const Files& files, Report& report) {
  const std::size_t connections = options.sessions(kIdle);
  std::vector<double> openssls, ours, beside;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("tls: memory: run " + std::to_string(run));
    const PlainServer openssl("plain_tls_echo", {"PORT", files.certificate, files.key});
    openssls.push_back(bytes_each(openssl.pid(), openssl.port(), connections, true));
    Subject secure("tls_service", files.options()), plain("tls_service");
    ours.push_back(bytes_each(secure.supervisor().service_pid(), secure.port(), connections, true));
    beside.push_back(ours.back() - bytes_each(plain.supervisor().service_pid(), plain.port(),
                                              connections, false));
  }
  report.add(paired("tls", "memory a connection (RSS), " + sessions_text(connections), Unit::kBytes,
                    "OpenSSL", openssls, ours));
  Row row = alone("tls", "  beside that of a plain one", Unit::kBytes, beside);
  row.target = at_most(kMostBeside);
  report.add(std::move(row));
}

// A service whose sessions move, and its clients.
class Moving {
 public:
  Moving(std::vector<std::string> arguments, bool tls, std::size_t sessions)
      : sessions_(sessions), service_("tls_service", std::move(arguments)) {
    clients_.connect(service_.port(), sessions, {.tls = tls});
    clients_.ask_each();
    service_.wait_for_sessions(sessions);
    upgrade();  // not measured: its donor is younger than those of the others
  }
  Upgraded upgrade() {
    const Upgraded upgraded = service_.upgrade();
    if (upgraded.moved != sessions_) throw std::runtime_error("tls: not all sessions have moved");
    return upgraded;
  }
  Upgraded upgrade_under_probes(std::uint64_t before) {
    service_.settle();
    clients_.load_at_rate(kProbesPerSecond);
    rest(before);
    const Upgraded upgraded = upgrade();
    for (const Sample& s : clients_.stop()) {
      if (s.answered_ns == 0) throw std::runtime_error("tls: a request was not answered");
    }
    return upgraded;
  }
  void ask_each() { clients_.ask_each(); }

 private:
  std::size_t sessions_;
  Subject service_;
  Herd clients_;
};

void run_moves(const Options& options, const Files& files, std::size_t state, Report& report) {
  const std::size_t sessions = options.sessions(kMoving);
  const std::string what =
      sessions_text(sessions) + ", " + format(static_cast<double>(state), Unit::kBytes);
  if (const std::string why = too_many(sessions); !why.empty()) {
    report.add(not_run("tls", "copy and switch, " + what, why));
    return;
  }
  const std::vector<std::string> arguments = {"--state", std::to_string(state)};
  Moving plain(arguments, false, sessions);
  Moving secure(files.options(arguments), true, sessions);
  std::vector<double> plain_copy, secure_copy, plain_blackout, secure_blackout;
  const std::uint64_t before = options.quick ? 20'000'000 : 200'000'000;
  for (std::size_t run = 1; run <= options.runs; ++run) {
    Report::progress("tls: copy and switch, " + what + ": run " + std::to_string(run));
    plain_copy.push_back(plain.upgrade().transfer);
    secure_copy.push_back(secure.upgrade().transfer);
    plain_blackout.push_back(plain.upgrade_under_probes(before).blackout_p999);
    secure_blackout.push_back(secure.upgrade_under_probes(before).blackout_p999);
  }
  plain.ask_each();  // every session must live
  secure.ask_each();
  Row row = paired("tls", "copy and switch, " + what, Unit::kMicroseconds, "plain", plain_copy,
                   secure_copy);
  row.target = ratio_at_most(1.3);
  report.add(std::move(row));
  row = paired("tls", "  blackout, idle, p99.9", Unit::kMicroseconds, "plain", plain_blackout,
               secure_blackout);
  row.target = at_most(2000);  // as of plain sessions: blackout.cc
  report.add(std::move(row));
}

}  // namespace

void tls(const Options& options, Report& report) {
  const Files files;
  std::vector<Case> cases = {
      shaking("handshakes, TLS 1.3, ECDSA P-256", false),
      shaking("handshakes, resumed", true),
      requests("requests of 32 B, 50 connections", 32, 1.0),
      requests("requests of 1 KiB, 50 connections", 1024, 0.95),
      bulk("the server sends, 4 connections", {.tls = true, .kind = 'g', .bytes = 2},
           Requests::kBlock),
      bulk("the server receives, 4 connections", {.tls = true, .kind = 'p', .bytes = kPut}, kPut)};
  for (std::size_t run = 1; run <= options.runs; ++run) {
    for (Case& c : cases) run_speed(options, run, files, c);
  }
  for (const Case& c : cases) tell(report, c);
  run_memory(options, files, report);
  for (const std::size_t state : {0, 1024}) run_moves(options, files, state, report);
}

}  // namespace bench
