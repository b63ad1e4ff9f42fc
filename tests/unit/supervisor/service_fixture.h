// The life of a service, told as timelines.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "exits.h"
#include "show.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {

using namespace std::chrono_literals;

class ServiceTest : public testing::Test {
 protected:
  using State = Service::State;

  std::string hear(const Event& event, std::chrono::milliseconds when = 0ms) {
    return show(service.step(event, at(when)));
  }
  void start() {
    ASSERT_EQ(hear(StartRequested{}), "spawn 1");
    ASSERT_EQ(hear(Registered{1}), "");
    ASSERT_EQ(hear(Owned{.generation = 1}), "");
    ASSERT_EQ(service.state(), State::kRunning);
  }
  void upgrade_to_switch() {
    start();
    ASSERT_EQ(hear(HandoffRequested{}, 1s), "open");
    ASSERT_EQ(hear(CandidateReady{}, 1s), "phase start, spawn 2 candidate heir");
    ASSERT_STREQ(service.state_name(), "upgrading");
    ASSERT_EQ(hear(Registered{2}, 1s), "donate 1>2, phase copy");
  }
  static Owned owned(Generation generation) {
    return {.generation = generation, .handoff_id = generation, .sessions = 4};
  }

  Service service{{.name = "chat"}};
};

}  // namespace handoff::supervisor
