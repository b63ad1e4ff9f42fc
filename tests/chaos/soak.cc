#include "soak.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "busy.h"
#include "support/process/proc.h"

namespace chaos {
namespace {

constexpr std::size_t kWindow = 100;   // upgrades that are compared
constexpr std::size_t kMissesOf = 20;  // where all are full, one of so many may run out of time
// Memory that may grow without a leak: pages that an allocator keeps or needs once. A leak of 100
// bytes a session and upgrade would be 20 MB. AddressSanitizer keeps freed memory, up to 256 MB.
#ifdef __has_feature  // clang's
#define CHAOS_HAS_ASAN __has_feature(address_sanitizer)
#endif
#if CHAOS_HAS_ASAN || defined(__SANITIZE_ADDRESS__)
constexpr long kSlackKb = 256L * 1024;
#else
constexpr long kSlackKb = 1024;
#endif
// What is under way in 200 full connections comes and goes: up to some 96 KiB in each.
constexpr long kFullSlackKb = 16L * 1024;

// What the processes hold after an upgrade, when the old process has gone.
struct Sample {
  std::size_t service_files = 0, supervisor_files = 0;
  long service_kb = 0, supervisor_kb = 0;
  std::size_t folder = 0;  // entries of the runtime folder
};

class Soak {
 public:
  explicit Soak(const SoakOptions& options)
      : may_miss_(options.full ? std::max<std::size_t>(3, options.upgrades / kMissesOf) : 0),
        busy_(options.service) {
    busy_.supervision().start("");
    busy_.connect(options.sessions, options.full);
    busy_.wake(Busy::Visitors::kNone);
  }

  Sample upgrade(int release) {
    for (;; ++missed_) {
      const auto upgrade = busy_.supervision().upgrade(release);
      busy_.require([&] { return !upgrade->running(); }, "an upgrade does not end");
      const test::Outcome outcome = upgrade->finish();
      if (outcome.status == 0) break;
      const bool late = outcome.out.find("\"timeout\"") != std::string::npos;
      if (!late || missed_ == may_miss_) {
        throw std::runtime_error("an upgrade failed: " + outcome.describe());
      }
    }
    busy_.hear_from_all();
    std::vector<pid_t> services;  // an upgrade is over before its donor has exited
    busy_.require([&] { return (services = busy_.supervision().services()).size() == 1; },
                  "there is not one process");
    return sample(services.front());
  }

  Tally end() {
    busy_.end();
    return tally();
  }

  Tally tally() const { return busy_.tally(); }
  std::size_t missed() const { return missed_; }

 private:
  // The supervisor closes the fds of the command and of the old process in its next turns. So the
  // smallest count that is seen is the state of rest.
  Sample sample(pid_t service) {
    Sample out;
    out.supervisor_files = out.service_files = SIZE_MAX;
    const Supervision& supervision = busy_.supervision();
    for (int look = 0; look < 5; ++look) {
      out.supervisor_files = std::min(out.supervisor_files, count(supervision.pid()));
      out.service_files = std::min(out.service_files, count(service));
      busy_.turn();
    }
    out.service_kb = static_cast<long>(test::status_field(service, "VmRSS"));
    out.supervisor_kb = static_cast<long>(test::status_field(supervision.pid(), "VmRSS"));
    for (const auto& entry : std::filesystem::directory_iterator(supervision.runtime())) {
      (void)entry;
      ++out.folder;
    }
    return out;
  }
  static std::size_t count(pid_t pid) {
    std::size_t n = 0;
    for (const auto& [kind, files] : kinds_of_files(pid)) n += static_cast<std::size_t>(files);
    return n;
  }

  const std::size_t may_miss_;
  std::size_t missed_ = 0;  // upgrades that were given up, which no client may have noticed
  Busy busy_;
};

// The median, since a sample may be taken while an fd is being closed.
template <class Field>
double median(const std::vector<Sample>& samples, std::size_t from, std::size_t n, Field field) {
  std::vector<double> values;
  for (std::size_t i = from; i < from + n; ++i) {
    values.push_back(static_cast<double>(samples[i].*field));
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(n / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void tell_progress(std::size_t upgrades, const Tally& tally) {
  std::printf("%zu upgrades, %llu bytes checked, wrong %llu, reset %llu, longest gap %lld ms\n",
              upgrades, static_cast<unsigned long long>(tally.bytes),
              static_cast<unsigned long long>(tally.lost + tally.duplicated + tally.wrong),
              static_cast<unsigned long long>(tally.reset),
              static_cast<long long>(tally.longest_gap.count()));
  std::fflush(stdout);
}

}  // namespace

bool soak(const SoakOptions& options) {
  const std::size_t upgrades = options.upgrades;
  Soak soak(options);
  std::vector<Sample> samples;
  const std::size_t every = std::clamp<std::size_t>(upgrades / 10, 1, kWindow);
  for (std::size_t i = 0; i < upgrades; ++i) {
    samples.push_back(soak.upgrade(i % 2 == 0 ? 2 : 1));
    if ((i + 1) % every == 0) tell_progress(i + 1, soak.tally());
  }
  const Tally tally = soak.end();
  const std::size_t n = std::max<std::size_t>(1, std::min(kWindow, upgrades / 2));
  bool good = tally.lost + tally.duplicated + tally.wrong + tally.reset + tally.unanswered == 0;
  std::printf("%-28s %12s %12s\n", "", "first", "last");
  const auto compare = [&](const char* what, auto field, double slack) {
    const double first = median(samples, 0, n, field);
    const double last = median(samples, upgrades - n, n, field);
    const bool same = last <= first + slack;
    std::printf("%-28s %12.1f %12.1f%s\n", what, first, last, same ? "" : "  HAS GROWN");
    good = good && same;
  };
  compare("fds of the service", &Sample::service_files, 0);
  compare("fds of the supervisor", &Sample::supervisor_files, 0);
  compare("RSS of the service, kB", &Sample::service_kb,
          kSlackKb + (options.full ? kFullSlackKb : 0));
  compare("RSS of the supervisor, kB", &Sample::supervisor_kb, kSlackKb);
  compare("files in the runtime folder", &Sample::folder, 0);
  std::printf(
      "upgrades %zu, sessions %llu, bytes checked %llu, lost %llu, duplicated %llu, "
      "wrong %llu, reset %llu, longest gap %lld ms\n",
      upgrades, static_cast<unsigned long long>(tally.sessions),
      static_cast<unsigned long long>(tally.bytes),
      static_cast<unsigned long long>(tally.lost + tally.unanswered),
      static_cast<unsigned long long>(tally.duplicated),
      static_cast<unsigned long long>(tally.wrong), static_cast<unsigned long long>(tally.reset),
      static_cast<long long>(tally.longest_gap.count()));
  if (options.full) {
    std::printf("upgrades that ran out of time and were tried again: %zu\n", soak.missed());
  }
  for (const std::string& error : tally.errors) std::cout << error << "\n";
  return good;
}

}  // namespace chaos
