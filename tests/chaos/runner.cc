#include "runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "support/process/proc.h"
#include "support/process/process.h"

namespace chaos {

namespace test = handoff::test;

namespace {

using namespace std::chrono_literals;

constexpr auto kLongest = 180s;  // of one cell: several of its own deadlines

struct Running {
  std::string cell;
  std::unique_ptr<test::Process> process;
  test::Deadline deadline;
};

Result result_of(test::Process& process, const std::optional<test::ExitStatus>& status) {
  if (status) {
    const auto line = nlohmann::json::parse(process.out(), nullptr, false);
    if (line.is_object()) return result_from(line);
  }
  Result result;
  result.verdict = Result::Verdict::kFailed;
  result.outcome = "the tester failed";
  result.problems.push_back(status ? "the cell's process ended with " + std::to_string(*status)
                                   : "the cell's process did not end");
  result.log = process.out() + process.err();
  return result;
}

// Ends the processes that a cell has left behind when it did not end in order.
void end_orphans(const std::vector<Running>& running) {
  for (const pid_t child : test::children_of(::getpid())) {
    bool known = false;
    for (const Running& one : running) known = known || one.process->pid() == child;
    if (known) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
}

}  // namespace

void Runner::run(const Next& next, const Done& done) const {
  std::vector<Running> running;
  bool more = true;
  while (more || !running.empty()) {
    while (more && running.size() < jobs_) {
      const auto cell = next();
      more = cell.has_value();
      if (!more) break;
      std::vector<std::string> command = {"/proc/self/exe", "--worker", "--cell", *cell};
      command.insert(command.end(), arguments_.begin(), arguments_.end());
      running.push_back(
          {*cell, std::make_unique<test::Process>(command), test::Deadline::in(kLongest)});
    }
    std::vector<pollfd> ends;
    for (const Running& one : running) ends.push_back({one.process->pidfd(), POLLIN, 0});
    ::poll(ends.data(), ends.size(), 1000);
    for (std::size_t i = running.size(); i-- > 0;) {
      Running& one = running[i];
      const auto status = one.process->wait(test::Deadline::in({}));
      if (!status && !one.deadline.passed()) continue;
      if (!status) one.process->signal(SIGKILL);
      done(one.cell, result_of(*one.process, status));
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      end_orphans(running);
    }
  }
}

}  // namespace chaos
