// `handoff doctor`: what this host allows, and what follows from it.
#include <iostream>
#include <nlohmann/json.hpp>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/sys/failpoint.h"
#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/table.h"
#include "supervisor/host/host.h"
#include "supervisor/host/journal.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/releases/unpacker.h"
#include "supervisor/releases/vault_reader.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

struct Finding {
  enum class Level { kOk, kNote, kMissing };
  Level level = Level::kOk;
  std::string what;
  std::string found;
  std::string follows;
};

const char* name_of(Finding::Level level) {
  switch (level) {
    case Finding::Level::kOk:
      return "ok";
    case Finding::Level::kNote:
      return "note";
    case Finding::Level::kMissing:
      return "MISSING";
  }
  return "?";
}

Finding needed(const std::string& what, bool there, const std::string& why) {
  return {there ? Finding::Level::kOk : Finding::Level::kMissing, what, there ? "yes" : "no",
          there ? "" : why};
}

Finding optional(const std::string& what, bool there, const std::string& with,
                 const std::string& without) {
  return {there ? Finding::Level::kOk : Finding::Level::kNote, what, there ? "yes" : "no",
          there ? with : without};
}

constexpr Duration kPatience = std::chrono::seconds(2);
// Besides its sessions a service has its binary's files, the channel, listeners...
constexpr std::uint64_t kOtherFds = 64;

Finding files(const HostFacts& facts) {
  const auto sessions = [](std::uint64_t files) {
    return with_commas(files > kOtherFds ? files - kOtherFds : 0);
  };
  Finding finding{
      Finding::Level::kOk, "open files",
      with_commas(facts.files_soft) + " soft, " + with_commas(facts.files_hard) + " hard",
      "about " + sessions(facts.files_soft) + " sessions a service"};
  if (facts.files_soft < facts.files_hard) {
    finding.follows += ", " + sessions(facts.files_hard) + " of one that raises its soft limit";
  }
  if (facts.files_hard < 4096) {
    finding.level = Finding::Level::kNote;
    finding.follows += "; for more raise it (systemd: LimitNOFILE=, docker: --ulimit nofile=)";
  }
  return finding;
}

Finding runtime() {
  const auto path = runtime_path();
  if (!path) return {Finding::Level::kMissing, "runtime folder", "none", path.error().message};
  if (const std::string problem = runtime_dir_problem(*path); !problem.empty()) {
    return {Finding::Level::kMissing, "runtime folder", *path, problem};
  }
  const auto running = connect_control(*path);
  if (!running && running.error().code != -ENOENT) {
    return {Finding::Level::kMissing, "runtime folder", *path, running.error().message};
  }
  return {Finding::Level::kOk, "runtime folder", *path,
          running ? "a supervisor runs here" : "no supervisor runs here"};
}

// Of the supervisor that runs, if one does; else where this user's would be.
Finding history() {
  std::string state = state_path().value_or("");
  std::string problem;
  const Answer answer = ask({{"command", "history"}}, kPatience, true);
  if (answer.failure == ExitStatus::kDone && !text_in(answer.last, "state").empty()) {
    state = text_in(answer.last, "state");
    problem = text_in(answer.last, "problem");
  }
  if (state.empty()) return {Finding::Level::kMissing, "history", "none", "no state folder"};
  if (problem.empty()) problem = journal_problem(state);
  return {problem.empty() ? Finding::Level::kOk : Finding::Level::kMissing, "history",
          journal_path(state), problem};
}

std::vector<Finding> examine() {
  const HostFacts facts = read_host();
  std::vector<Finding> out;
  out.push_back({Finding::Level::kOk, "kernel", facts.kernel, ""});
  out.push_back(
      needed("pidfd", facts.pidfd,
             "processes can't be fenced safely: needs Linux 5.3, not filtered by seccomp"));
  out.push_back(needed("memfd with seals", facts.memfd, "nothing can be handed over"));
  out.push_back(
      needed("execveat", facts.execveat, "releases can't be started from their open file"));
  out.push_back(needed("SCM_RIGHTS, " + std::to_string(protocol::kMaxFds) + " fds",
                       facts.fds_in_message,
                       "sockets can't be handed over: raise RLIMIT_NOFILE over 600"));
  out.push_back(optional("close_range", facts.close_range, "",
                         "fds that a library leaves open reach services (Linux 5.11 has it)"));
  out.push_back(files(facts));
  out.push_back(optional("fds in flight without limit", facts.unbounded_flight, "",
                         "handoffs of one user at the same time share RLIMIT_NOFILE; they wait for "
                         "each other"));
  out.push_back(optional("CAP_SYS_RESOURCE", facts.can_raise_files, "",
                         "the hard limit of open files stays as it is"));
  out.push_back(optional("CAP_NET_BIND_SERVICE", facts.can_bind_low, "",
                         "no ports below net.ipv4.ip_unprivileged_port_start"));
  out.push_back(optional("CAP_NET_ADMIN", facts.can_repair_tcp, "",
                         "no moves to another host; handoffs on this one don't need it"));
  const bool room = facts.wmem_default == 0 || facts.wmem_default > protocol::kMaxFrame;
  out.push_back({room ? Finding::Level::kOk : Finding::Level::kMissing, "net.core.wmem_default",
                 with_commas(facts.wmem_default),
                 room ? ""
                      : "frames of " + with_commas(protocol::kMaxFrame) +
                            " bytes don't fit: sysctl net.core.wmem_default=212992"});
  const auto unpacker = open_unpacker();
  out.push_back(optional("handoff-unpack", unpacker.has_value(), "",
                         unpacker ? "" : unpacker.error().message));
  const auto reader = open_vault_reader();
  out.push_back(
      optional("handoff-vault", reader.has_value(), "", reader ? "" : reader.error().message));
  out.push_back(runtime());
  out.push_back(history());
  return out;
}

}  // namespace

namespace {

ExitStatus list_failpoints(bool as_json) {
  const auto points = failpoint::all();
  if (as_json) {
    std::cout << json{{"failpoints", std::vector<std::string>(points.begin(), points.end())}}.dump()
              << std::endl;
    return ExitStatus::kDone;
  }
  for (const std::string& point : points) std::cout << point << "\n";
  std::cout << "\nFor tests: HANDOFF_FAILPOINT=POINT[@N[+]]=ACTION[,...] in the environment of "
               "`handoff run`;\nACTION is kill, stop, exit, delay:MS, error:ERRNO or ask:PATH.\n"
            << std::flush;
  return ExitStatus::kDone;
}

}  // namespace

ExitStatus doctor_command(const DoctorOptions& options) {
  const bool as_json = options.json;
  if (options.failpoints) return list_failpoints(as_json);
  const std::vector<Finding> findings = examine();
  bool good = true;
  json list = json::array();
  std::vector<std::vector<std::string>> rows{{"", "WHAT", "FOUND", "WHAT FOLLOWS"}};
  for (const Finding& finding : findings) {
    good = good && finding.level != Finding::Level::kMissing;
    rows.push_back({name_of(finding.level), finding.what, finding.found, finding.follows});
    list.push_back(
        {{"level", finding.level == Finding::Level::kMissing ? "missing" : name_of(finding.level)},
         {"what", finding.what},
         {"found", finding.found},
         {"follows", finding.follows}});
  }
  if (as_json) {
    std::cout << json{{"ok", good}, {"findings", list}}.dump() << std::endl;
  } else {
    std::cout << table(rows)
              << (good ? "\nEverything that is needed is there.\n"
                       : "\nSomething that is needed is missing.\n")
              << std::flush;
  }
  return good ? ExitStatus::kDone : ExitStatus::kFailed;
}

}  // namespace handoff::supervisor
