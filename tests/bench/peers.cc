// handoff compared with nginx and haproxy, which also upgrade without closing their listeners. All
// have the same clients and load, run on one thread, and go from version 1 to version 2.
//
// A thousand clients stay; five hundred a second come for one request. The bench counts failed
// requests, connections that did not last, and answers that took longer.
#include "benches.h"
#include "clock.h"
#include "web_clients.h"
#include "web_servers.h"

namespace bench {
namespace {

struct Meeting {
  std::vector<double> requests, failed, kept, first_new, last_old, gone;
  std::vector<double> before, around;  // latencies of all runs
  std::size_t stayed = 0;              // runs in which the old process did not go
};

void meet(const WebServerKind& kind, const WebClients::Load& load, std::uint64_t second_ns,
          Meeting& into) {
  const auto server = kind.start();
  WebClients clients(server->port(), load);
  clients.start();
  rest(second_ns + second_ns / 5);
  const std::uint64_t command = now_ns();
  const bool gone = server->upgrade();
  const std::uint64_t over = now_ns();
  rest(second_ns + second_ns / 2);
  const WebOutcome outcome = clients.stop();

  double failed = 0;
  std::uint64_t first_new = ~std::uint64_t{0};
  std::uint64_t last_old = command;
  for (const WebRequest& r : outcome.requests) {
    if (r.answered_ns == 0) {
      ++failed;
      continue;
    }
    if (r.version >= 2) first_new = std::min(first_new, r.answered_ns);
    if (r.version == 1) last_old = std::max(last_old, r.answered_ns);
    const double us = static_cast<double>(r.answered_ns - r.sent_ns) / 1000;
    if (r.sent_ns >= command - second_ns && r.sent_ns < command) into.before.push_back(us);
    if (r.sent_ns >= command && r.sent_ns < command + second_ns) into.around.push_back(us);
  }
  const auto since = [command](std::uint64_t at) {
    return static_cast<double>(at - command) / 1000;
  };
  into.requests.push_back(static_cast<double>(outcome.requests.size()));
  into.failed.push_back(failed);
  into.kept.push_back(static_cast<double>(outcome.survivors));
  into.first_new.push_back(since(first_new));
  into.last_old.push_back(since(last_old));
  into.gone.push_back(since(over));
  if (!gone) ++into.stayed;
}

std::vector<std::string> line(const WebServerKind& kind, const WebClients::Load& load,
                              const Meeting& m, std::size_t runs) {
  const auto time = [](const std::vector<double>& values) {
    return format(quantile(values, 0.5), Unit::kMicroseconds);
  };
  double requests = 0;
  double failed = 0;
  for (const double n : m.requests) requests += n;
  for (const double n : m.failed) failed += n;
  const auto kept = [&m](double share) { return format(quantile(m.kept, share), Unit::kCount); };
  return {kind.name,
          kind.way,
          format(failed, Unit::kCount) + " of " + format(requests, Unit::kCount),
          kept(0.5) + " (" + kept(0) + " - " + kept(1) + ") of " + std::to_string(load.residents),
          time(m.first_new),
          time(m.last_old),
          m.stayed == 0
              ? time(m.gone)
              : "not in " + std::to_string(m.stayed) + "/" + std::to_string(runs) + " runs",
          format(quantile(m.before, 0.99), Unit::kMicroseconds),
          format(quantile(m.around, 0.99), Unit::kMicroseconds),
          format(quantile(m.around, 1), Unit::kMicroseconds)};
}

}  // namespace

void peers(const Options& options, Report& report) {
  WebClients::Load load;
  if (options.quick) load = {20, 200, 50};
  const std::uint64_t second_ns = options.quick ? 100'000'000 : 1'000'000'000;
  const std::vector<WebServerKind> kinds = web_servers();
  std::vector<Meeting> meetings(kinds.size());
  for (std::size_t run = 1; run <= options.runs; ++run) {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (!kinds[i].missing.empty()) continue;
      Report::progress("peers: " + kinds[i].name + ": run " + std::to_string(run));
      meet(kinds[i], load, second_ns, meetings[i]);
    }
  }
  Report::Table table{"Upgrade of a web server under " + std::to_string(load.residents) +
                          " clients that stay and " +
                          format(load.visitors_per_second, Unit::kCount) +
                          " a second that come and go, from the command on; " +
                          std::to_string(options.runs) + " runs",
                      {}};
  table.lines.push_back({"SERVER", "UPGRADE BY", "FAILED REQUESTS", "CONNECTIONS KEPT",
                         "FIRST NEW ANSWER", "LAST OLD ANSWER", "OLD ONE GONE", "P99 BEFORE",
                         "P99 AFTER", "MAX AFTER"});
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i].missing.empty()) {
      table.lines.push_back(line(kinds[i], load, meetings[i], options.runs));
    } else {
      table.lines.push_back({kinds[i].name, kinds[i].way, "not run: " + kinds[i].missing});
    }
  }
  report.table(std::move(table));
}

}  // namespace bench
