// Deaths of processes that had a vault, and what follows.
#pragma once

#include <csignal>
#include <utility>

#include "service_fixture.h"

namespace handoff::supervisor {

class ServiceRecoveryTest : public ServiceTest {
 protected:
  static Exited died(Generation generation, int signal = SIGKILL, std::uint64_t reading = 0) {
    VaultLeft left{.owned = true};
    if (reading != 0) left.reading = {reading};
    return {generation, {.signalled = true, .number = signal}, std::move(left)};
  }
  // The reader of the vault is one of two that are started.
  std::string goes_on(Generation reader, Generation heir, std::chrono::milliseconds when = 1s) {
    std::string out = hear(Registered{reader}, when);
    out += hear(Registered{heir}, when);
    out += hear(Owned{.generation = reader}, when);
    return out;
  }
  void recover(Generation dead, Generation reader, Generation heir,
               std::chrono::milliseconds when = 1s) {
    ASSERT_EQ(service.current(), reader);
    ASSERT_EQ(goes_on(reader, heir, when),
              "donate " + std::to_string(reader) + ">" + std::to_string(heir) + ", phase copy");
    ASSERT_EQ(switched(reader, heir, when), "phase retire, drop vault of " + std::to_string(dead));
    ASSERT_EQ(service.current(), heir);
    ASSERT_EQ(hear(Tick{}, when),
              "recovered " + std::to_string(first_) + ">" + std::to_string(heir));
    ASSERT_EQ(service.state(), State::kRunning);
    hear(Exited{reader, {}}, when);
  }
  template <class What>
  static const What* find(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* found = std::get_if<What>(&effect)) return found;
    }
    return nullptr;
  }

  Generation first_ = 1;  // that died
};

}  // namespace handoff::supervisor
