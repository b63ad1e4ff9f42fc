// A release of echo that misbehaves in the way that its first argument says. As the heir of a
// handoff it must not disturb any client of the donor.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <handoff/handoff.hpp>
#include <map>
#include <string>

#include "support/peers/bad_heir_raw.h"

namespace {

using handoff::Adopted;
using handoff::Service;

// So many sessions are restored before the misbehaviour, which puts it in the middle of the copy.
constexpr int kHalfway = 500;

[[noreturn]] void hang() {
  for (;;) ::pause();
}

// With on_update() sessions are restored during the copy, without it when the donor is frozen.
enum class Restores { kDuringTheCopy, kWhileFrozen };

// The declarations of echo 1, with a restore that misbehaves as the argument says.
struct Heir {
  std::function<void()> misdeed = [] {};
  Restores when = Restores::kDuringTheCopy;
  std::uint32_t state_version = 1;
  std::string listener = "public";

  [[noreturn]] void run() const {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    auto service =
        Service::open({.name = "echo", .version = "bad", .state_version = state_version});
    service->listener(listener, "tcp:127.0.0.1:0");
    int restored = 0;
    service->on_restore([&](Adopted session) {
      if (++restored >= kHalfway) misdeed();
      session.take_fd();  // left open: the process's end must be enough to give everything back
    });
    if (when == Restores::kDuringTheCopy) service->on_update([&](Adopted) {});
    service->ready();
    hang();
  }
};

// A sanitizer would turn SIGSEGV into an exit, so the default action is restored first.
void crash() {
  ::signal(SIGSEGV, SIG_DFL);
  ::raise(SIGSEGV);
}
// Opens fds until none is left. A high limit takes long to reach, so it is lowered first.
void fill_fds() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, 2000);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  while (::open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) {
  }
}
void refuse() { throw std::runtime_error("this heir is picky"); }

const std::map<std::string, void (*)()>& misdeeds() {
  static const std::map<std::string, void (*)()> kMisdeeds = {
      {"exits", [] { std::exit(3); }},
      {"is-never-ready",
       [] {
         auto service = Service::open({.name = "echo", .version = "bad"});
         hang();
       }},
      {"crashes-while-copying", [] { Heir{crash}.run(); }},
      {"hangs-while-copying", [] { Heir{hang}.run(); }},
      {"fills-its-fds-while-copying", [] { Heir{fill_fds}.run(); }},
      {"rejects-a-session", [] { Heir{refuse}.run(); }},
      {"crashes-while-frozen",
       [] {
         Heir{crash, Restores::kWhileFrozen}.run();
       }},
      {"hangs-while-frozen",
       [] {
         Heir{hang, Restores::kWhileFrozen}.run();
       }},
      {"rejects-while-frozen",
       [] {
         Heir{refuse, Restores::kWhileFrozen}.run();
       }},
      {"only-says-that-it-owns", handoff::test::only_claim},
      {"says-too-soon-that-it-owns",
       [] {
         const auto claim_and_hang = [claim = handoff::test::Claim()] {
           claim.say();
           hang();
         };
         Heir{claim_and_hang, Restores::kWhileFrozen}.run();
       }},
      {"hangs-as-the-owner", [] { Heir{}.run(); }},
      {"knows-no-such-state", [] { Heir{.state_version = 7}.run(); }},
      {"claims-another-listener", [] { Heir{.listener = "private"}.run(); }},
      {"speaks-another-protocol", handoff::test::speak_another_protocol},
  };
  return kMisdeeds;
}

}  // namespace

int main(int argc, char** argv) {
  const auto misdeed = misdeeds().find(argc == 2 ? argv[1] : "");
  if (misdeed == misdeeds().end()) {
    std::fprintf(stderr, "usage: %s MISDEED, one of:\n", argv[0]);
    for (const auto& [name, run] : misdeeds()) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  try {
    misdeed->second();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bad heir: %s\n", error.what());
    return 1;
  }
  return 0;
}
