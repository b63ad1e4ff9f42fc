// One supervisor with many services: all of them upgraded at once, how long `status` takes
// meanwhile, and what the supervisor has in memory afterwards.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "benches.h"
#include "clock.h"
#include "process_figures.h"
#include "support/clients/sockets.h"
#include "support/process/programs.h"
#include "support/supervisor/question.h"
#include "support/supervisor/supervisor.h"

namespace bench {
namespace {

namespace test = handoff::test;
using nlohmann::json;

std::string name_of(std::size_t number) { return "s" + std::to_string(number); }

test::Supervisor::Options many(std::size_t services) {
  const std::string program = test::program("bench_service");
  test::Supervisor::Options out;
  out.command = {program};
  out.name = name_of(0);
  for (std::size_t i = 1; i < services; ++i) {
    out.config += "[service." + name_of(i) + "]\ncommand = [\"" + program +
                  "\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n";
  }
  return out;
}

// So many connections to each service, each of which was answered once.
std::vector<handoff::UniqueFd> connect_all(const test::Supervisor& subject, std::size_t services,
                                           std::size_t sessions) {
  std::vector<handoff::UniqueFd> out;
  for (std::size_t i = 0; i < services; ++i) {
    const std::string address =
        subject.status(name_of(i)).at("listeners").at(0).at("address").get<std::string>();
    const int port = std::stoi(address.substr(address.rfind(':') + 1));
    for (std::size_t session = 0; session < sessions; ++session) {
      handoff::UniqueFd& fd = out.emplace_back(test::connect_tcp(port));
      test::send_all(fd.get(), "x\n");
      std::array<char, 8> answer{};
      if (::recv(fd.get(), answer.data(), answer.size(), 0) <= 0) {
        throw std::runtime_error(name_of(i) + " does not answer");
      }
    }
  }
  return out;
}

// An operator who waits for the end of an upgrade.
struct Asked {
  handoff::UniqueFd fd;
  std::string text = {};
  bool over = false;

  void take() {
    std::array<char, 16384> chunk{};
    const ssize_t n = ::recv(fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(n));
    } else if (n == 0) {
      over = true;
    }
  }
  void expect_done(const std::string& service) const {
    const std::size_t last = text.rfind('\n', text.size() - 2);
    const json done =
        json::parse(text.substr(last == std::string::npos ? 0 : last + 1), nullptr, false);
    if (!done.is_object() || done.value("result", "") != "done") {
      throw std::runtime_error("the upgrade of " + service + ": " + text);
    }
  }
};

struct Found {
  double all_us = 0;     // from the first request to the last answer
  double status_us = 0;  // the slowest answer to `status` meanwhile
};

Found upgrade_all(const test::Supervisor& subject, std::size_t services) {
  std::vector<Asked> asked;
  Found out;
  const std::uint64_t begun = now_ns();
  for (std::size_t i = 0; i < services; ++i) {
    asked.push_back({test::connect_unix(subject.runtime() + "/control.sock", SOCK_STREAM)});
    test::send_all(asked.back().fd.get(),
                   json{{"command", "upgrade"}, {"service", name_of(i)}}.dump() + "\n");
  }
  std::optional<test::Question> question;
  std::uint64_t question_asked = 0;
  for (std::size_t left = services; left > 0;) {
    if (!question) {
      question.emplace(subject.runtime());
      question_asked = now_ns();
    }
    std::vector<pollfd> fds{{question->fd(), POLLIN, 0}};
    for (const Asked& one : asked) fds.push_back({one.over ? -1 : one.fd.get(), POLLIN, 0});
    if (::poll(fds.data(), fds.size(), 60'000) <= 0) throw std::runtime_error("nobody answers");
    if (fds[0].revents != 0 && question->services()) {
      out.status_us = std::max(out.status_us, static_cast<double>(now_ns() - question_asked) / 1e3);
      question.reset();
    }
    for (std::size_t i = 0; i < services; ++i) {
      if (fds[i + 1].revents == 0) continue;
      asked[i].take();
      if (asked[i].over) --left;
    }
  }
  out.all_us = static_cast<double>(now_ns() - begun) / 1e3;
  for (std::size_t i = 0; i < services; ++i) asked[i].expect_done(name_of(i));
  return out;
}

}  // namespace

void services(const Options& options, Report& report) {
  for (const std::size_t count : {std::size_t{64}, std::size_t{200}}) {
    const std::size_t number = options.quick ? count / 16 : count;
    const std::size_t sessions = options.quick ? 2 : 100;
    std::vector<double> all;
    std::vector<double> status;
    std::vector<double> memory;
    for (std::size_t run = 1; run <= std::min<std::size_t>(options.runs, 3); ++run) {
      Report::progress("services: " + std::to_string(number) + ", run " + std::to_string(run));
      const test::Supervisor subject(many(number));
      const auto clients = connect_all(subject, number, count == 64 ? sessions : 1);
      const Found found = upgrade_all(subject, number);
      all.push_back(found.all_us);
      status.push_back(found.status_us);
      memory.push_back(static_cast<double>(rss_bytes(subject.pid())));
    }
    const std::string of = std::to_string(number) + " services";
    const std::string with = count == 64 ? ", 100 sessions each" : "";
    Row row = alone("services", of + with + ", all upgraded at once", Unit::kMicroseconds, all);
    if (count == 64) row.target = at_most(3e6);
    report.add(std::move(row));
    row = alone("services", of + ", slowest status meanwhile", Unit::kMicroseconds, status);
    if (count == 64) row.target = at_most(1e5);
    report.add(std::move(row));
    row = alone("services", of + ", RSS of the supervisor", Unit::kBytes, memory);
    if (count == 200) row.target = at_most(30.0 * 1048576);
    report.add(std::move(row));
  }
}

}  // namespace bench
