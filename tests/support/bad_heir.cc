// A release of echo that does wrong what its first argument says. As the heir of a handoff it must
// not be noticed by any client of the donor.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <handoff/handoff.hpp>
#include <map>
#include <string>

#include "bad_heir_raw.h"

namespace {

using handoff::Adopted;
using handoff::Service;

// Restored sessions before the misbehaviour: in the middle of the copy.
constexpr int kHalfway = 500;

[[noreturn]] void hang() {
  for (;;) ::pause();
}

// What echo 1 declares, with restores that end as the argument says.
void be_heir(const std::function<void(Adopted&)>& on_restore, std::uint32_t state_version = 1,
             const std::string& listener = "public") {
  auto service = Service::open({.name = "echo", .version = "bad", .state_version = state_version});
  service->listener(listener, "tcp:127.0.0.1:0");
  int restored = 0;
  service->on_restore([&](Adopted session) {
    if (++restored >= kHalfway) on_restore(session);
    session.take_fd();  // left open: ending must be enough to give everything back
  });
  service->on_update([&](Adopted) {});
  service->ready();
  hang();
}

const std::map<std::string, void (*)()>& misdeeds() {
  static const std::map<std::string, void (*)()> kMisdeeds = {
      {"exits", [] { std::exit(3); }},
      {"is-never-ready",
       [] {
         auto service = Service::open({.name = "echo", .version = "bad"});
         hang();
       }},
      {"crashes-while-restoring",
       [] {
         const rlimit no_core{0, 0};
         ::setrlimit(RLIMIT_CORE, &no_core);
         be_heir([](Adopted&) { ::raise(SIGSEGV); });
       }},
      {"hangs-while-restoring", [] { be_heir([](Adopted&) { hang(); }); }},
      {"rejects-a-session",
       [] { be_heir([](Adopted&) { throw std::runtime_error("this heir is picky"); }); }},
      {"knows-no-such-state", [] { be_heir([](Adopted&) {}, 7); }},
      {"claims-another-listener", [] { be_heir([](Adopted&) {}, 1, "private"); }},
      {"speaks-another-protocol", test::speak_another_protocol},
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
