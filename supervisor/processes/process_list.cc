#include "supervisor/processes/process_list.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "libhandoff/base/text.h"
#include "supervisor/processes/adoption.h"
#include "supervisor/processes/census.h"
#include "supervisor/processes/cgroup.h"

namespace handoff::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostOfCommand = 60;

template <class Number>
bool number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// stat(5): the name may contain anything, so it ends with the last ')'.
std::optional<ProcessSeen> stat_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t begin = text.find('(');
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos || begin > end) return std::nullopt;
  ProcessSeen out{.pid = pid, .command = text.substr(begin + 1, end - begin - 1)};
  std::istringstream fields(text.substr(end + 1));
  char state = 0;
  int group = 0;
  fields >> state >> out.parent >> group >> out.session;
  std::string field;
  for (int i = 7; i < 22; ++i) fields >> field;  // starttime is field 22
  fields >> out.started;
  if (!fields) return std::nullopt;
  out.ended = state == 'Z' || state == 'X';
  return out;
}

std::string command_line(const ProcessSeen& process) {
  std::string out;
  for (const std::string& word : command_of_process(process.pid)) {
    if (out.size() > kMostOfCommand) break;
    if (!word.empty()) out += (out.empty() ? "" : " ") + word;
  }
  if (out.empty()) out = process.command;
  return printable(out.substr(0, kMostOfCommand));
}

// "SERVICE GENERATION REPORT_PATH"
void read_mark(const std::string& mark, ProcessSeen& out) {
  const std::size_t first = mark.find(' ');
  const std::size_t second = mark.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos) return;
  if (!number(std::string_view(mark).substr(first + 1, second - first - 1), out.generation)) return;
  out.service = mark.substr(0, first);
  out.home = mark.substr(second + 1);
}

void read_environment(const std::string& report_path, ProcessSeen& out) {
  const auto variables = handoff_environment_of(out.pid);
  const auto value = [&variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  if (!value("HANDOFF_RETURN").empty()) {
    out.home = value("HANDOFF_RETURN");
    out.service = value("HANDOFF_SERVICE");
    if (!number(value("HANDOFF_GENERATION"), out.generation)) out.generation = 0;
  } else {
    read_mark(value("HANDOFF_MARK"), out);
  }
  if (out.home != report_path) return;
  if (sees_another_folder(out.pid, report_path)) {
    out.home = "another " + report_path;
    return;
  }
  int main = 0;
  if (!number(value("HANDOFF_PID"), main) || main != out.pid) return;
  const auto held = hold_process(out.pid);
  if (!held || held->started != out.started) return;
  held->mailbox = value("HANDOFF_MAILBOX");
  out.main = is_ours(*held);
}

}  // namespace

std::vector<ProcessSeen> list_processes(const std::string& report_path) {
  std::vector<ProcessSeen> out;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    int pid = 0;
    if (!number(at->path().filename().native(), pid)) continue;
    auto process = stat_of(pid);
    if (!process) continue;
    if (!process->ended) {
      process->command = command_line(*process);
      process->cgroup = cgroup_of(pid);
      read_environment(report_path, *process);
    }
    out.push_back(std::move(*process));
  }
  return out;
}

ProcessList::ProcessList(uv_loop_t* loop, std::string report_path)
    : report_path_(std::move(report_path)),
      patience_(loop, [this] { give_up(); }),
      soon_(loop, [this] { list([](const std::vector<ProcessSeen>&) {}); }),
      thread_(loop) {}

void ProcessList::list(Then then) {
  waiting_.push_back(std::move(then));
  if (!thread_.busy()) return begin();
  if (served_.empty()) patience_.at(now() + kPatience);  // it was given up, and hangs on
}

void ProcessList::list_soon(Then then) {
  if (unhurried_.empty()) soon_.at(now() + kSoon);
  unhurried_.push_back(std::move(then));
}

void ProcessList::give_up() {
  spdlog::error("/proc does not answer: which processes services have left is not known");
  std::vector<Then> all = std::exchange(served_, {});
  for (auto* others : {&waiting_, &unhurried_}) {
    for (Then& then : std::exchange(*others, {})) all.push_back(std::move(then));
  }
  soon_.at(std::nullopt);
  for (const Then& then : all) then({});
}

void ProcessList::begin() {
  served_ = std::exchange(waiting_, {});
  for (Then& then : std::exchange(unhurried_, {})) served_.push_back(std::move(then));
  soon_.at(std::nullopt);
  patience_.at(now() + kPatience);
  thread_.run(
      [this] {
        try {
          found_ = list_processes(report_path_);
        } catch (const std::exception&) {
          found_.clear();  // no memory, say: nothing is known
        }
      },
      [this] {
        patience_.at(std::nullopt);
        const auto found = std::exchange(found_, {});
        for (const Then& then : std::exchange(served_, {})) then(found);
        if (!waiting_.empty() && !thread_.busy()) begin();
      });
}

}  // namespace handoff::supervisor
