// What the commands of `handoff` make of a supervisor's answer, as real commands on a real socket.
// The first byte says which command. Each ends with a status of its own and says why it failed;
// with --json every line is an object.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "check.h"
#include "libhandoff/base/unique_fd.h"
#include "scratch.h"
#include "supervisor/cli/options.h"
#include "supervisor/host/runtime_dir.h"

namespace {

using namespace handoff;
using namespace handoff::supervisor;
using nlohmann::json;

// Answers each client with the same bytes, and hangs up.
class Answerer {
 public:
  Answerer() {
    CHECK_THAT(::chmod(scratch_.path().c_str(), 0700) == 0, "chmod");
    ::setenv("HANDOFF_RUNTIME_DIR", scratch_.path().c_str(), 1);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = scratch_ / "control.sock";
    std::copy(path.begin(), path.end(), address.sun_path);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK_THAT(
        ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
            ::listen(listener_.get(), 8) == 0,
        path);
    std::thread([this] { serve(); }).detach();
  }
  void answer_with(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ = bytes;
  }

 private:
  void serve() {
    for (;;) {
      const UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client.valid()) return;
      std::array<char, 4096> request{};
      if (::recv(client.get(), request.data(), request.size(), 0) <= 0) continue;
      const std::lock_guard lock(mutex_);
      (void)::send(client.get(), bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
    }
  }

  fuzz::Scratch scratch_;
  UniqueFd listener_;
  std::mutex mutex_;
  std::string bytes_;
};

struct Said {
  ExitStatus status;
  bool threw = false;
  std::string out;
  std::string err;
};

// run_cli() tells of what a command throws.
Said run(const std::function<ExitStatus()>& command) {
  std::ostringstream out;
  std::ostringstream err;
  std::streambuf* const cout_before = std::cout.rdbuf(out.rdbuf());
  std::streambuf* const cerr_before = std::cerr.rdbuf(err.rdbuf());
  Said said{.status = ExitStatus::kFailed};
  try {
    said.status = command();
  } catch (const json::exception&) {
    said.threw = true;
  }
  std::cout.rdbuf(cout_before);
  std::cerr.rdbuf(cerr_before);
  said.out = out.str();
  said.err = err.str();
  return said;
}

ExitStatus command(unsigned which, bool as_json) {
  const ServiceOptions service{.json = as_json, .service = "chat"};
  UpgradeOptions upgrade;
  upgrade.json = as_json;
  upgrade.service = "chat";
  PlanOptions plan;
  plan.json = as_json;
  plan.service = "chat";
  switch (which % 9) {
    case 0:
      return status_command(service);
    case 1:
      return reload_command(service);
    case 2:
      return upgrade_command(upgrade);
    case 3:
      upgrade.self = true;
      return upgrade_command(upgrade);
    case 4:
      return plan_command(plan);
    case 5:
      return stop_command(service);
    case 6:
      return commit_command(service);
    case 7:
      return rollback_command(service);
    default:
      upgrade.shares = {10, 1000};
      return upgrade_command(upgrade);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static auto& answerer = *new Answerer;
  if (size == 0) return 0;
  const unsigned which = data[0] / 2;
  const bool as_json = data[0] % 2 == 1;
  answerer.answer_with({reinterpret_cast<const char*>(data) + 1, size - 1});
  const Said said = run([&] { return command(which, as_json); });
  constexpr std::array kStatuses{ExitStatus::kDone,    ExitStatus::kFailed,
                                 ExitStatus::kLost,    ExitStatus::kNoService,
                                 ExitStatus::kCrowded, ExitStatus::kNoSupervisor};
  CHECK_THAT(std::ranges::find(kStatuses, said.status) != kStatuses.end(), said.err);
  if (as_json) {
    std::istringstream lines(said.out);
    for (std::string line; std::getline(lines, line);) {
      CHECK_THAT(json::parse(line).is_object(), line);
    }
    CHECK_THAT(said.threw || !said.out.empty(), "nothing was said");
  } else if (said.status != ExitStatus::kDone && !said.threw) {
    CHECK_THAT(said.err.starts_with("handoff: "), said.err);
  }
  return 0;
}
