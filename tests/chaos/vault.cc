// The happy path: the process that serves is killed at a random moment after each of its clients
// has been answered, and then each of them is answered again. The first one is killed while clients
// hold half a request back, say nothing, or do not read megabytes. The failures: a client that was
// cut off or got a wrong byte is counted; a service that does not go on ends the run.
#include "vault.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>

#include "busy.h"

namespace chaos {
namespace {

using nlohmann::json;

constexpr std::uint64_t kLatestUs = 20'000;  // after the last client was answered

class Killed {
 public:
  explicit Killed(const VaultOptions& options) : random_(options.seed), busy_(options.service) {
    busy_.supervision().start_with_vault();
    busy_.connect(options.sessions, false);
  }

  void kill() {
    json now;
    const auto serves = [&] {
      now = busy_.status();
      return now.value("state", "") == "running" && now["vault"]["held"] == true;
    };
    busy_.require(serves, "it does not run with a vault");
    if (kills_ > 0) busy_.pump_for(std::chrono::microseconds(random_() % kLatestUs));
    if (::kill(now.at("pid").get<pid_t>(), SIGKILL) < 0) {
      throw std::runtime_error("the process that is to be killed has ended by itself");
    }
    if (kills_++ == 0) busy_.wake(Busy::Visitors::kCome);
    busy_.hear_from_all();
  }

  // What is wrong with what the supervisor tells of it; "" if nothing is.
  std::string misreported() {
    json now;
    busy_.require([&] { return (now = busy_.status()).value("state", "") == "running"; },
                  "it does not run in the end");
    const auto recoveries = now["vault"].value("recoveries", std::uint64_t{0});
    const auto restarts = now.value("restarts", std::uint64_t{0});
    if (recoveries == kills_ && restarts == 0) return "";
    return "misreported: " + std::to_string(recoveries) + " recoveries and " +
           std::to_string(restarts) + " restarts after " + std::to_string(kills_) + " kills";
  }

  void end() { busy_.end(); }
  Tally tally() const { return busy_.tally(); }
  std::string log() { return busy_.supervision().log(); }

 private:
  std::mt19937_64 random_;
  std::size_t kills_ = 0;
  Busy busy_;
};

// A client that is still connected has lost nothing; in the end none is.
std::uint64_t lost_in(const Tally& tally) {
  return tally.lost + tally.reset + tally.visitors_reset;
}

bool flawless(const Tally& tally) { return lost_in(tally) + tally.duplicated + tally.wrong == 0; }

void tell(std::size_t kills, const Tally& tally) {
  std::printf("%zu kills, %llu connections, %llu replies, %llu bytes checked, lost %llu, ", kills,
              static_cast<unsigned long long>(tally.sessions),
              static_cast<unsigned long long>(tally.replies),
              static_cast<unsigned long long>(tally.bytes),
              static_cast<unsigned long long>(lost_in(tally)));
  std::printf("doubled %llu, wrong %llu, longest gap %lld ms\n",
              static_cast<unsigned long long>(tally.duplicated),
              static_cast<unsigned long long>(tally.wrong),
              static_cast<long long>(tally.longest_gap.count()));
  std::fflush(stdout);
}

}  // namespace

bool kill_with_vault(const VaultOptions& options) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  Killed killed(options);
  const std::size_t every = std::max<std::size_t>(1, options.kills / 10);
  std::size_t kills = 0;
  std::string problem;
  try {
    // What is wrong once stays so: the rest would only bury it.
    while (kills < options.kills && (kills == 0 || flawless(killed.tally()))) {
      killed.kill();
      if (++kills % every == 0 && kills < options.kills) tell(kills, killed.tally());
    }
    problem = killed.misreported();
    killed.end();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  const Tally tally = killed.tally();
  tell(kills, tally);
  for (const std::string& error : tally.errors) std::cout << error << "\n";
  if (!problem.empty()) std::cout << problem << "\n";
  const bool good = problem.empty() && flawless(tally);
  if (!good) std::cout << killed.log() << std::flush;
  return good;
}

}  // namespace chaos
