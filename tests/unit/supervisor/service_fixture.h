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
  // Generation heir takes over from donor, by the word of both. What follows from it.
  std::string switched(Generation donor, Generation heir, std::chrono::milliseconds when = 0ms) {
    EXPECT_EQ(hear(owned(heir), when), "") << "an heir's word alone";
    return hear(DonorRetired{.generation = donor, .handoff_id = heir, .sessions = 4}, when);
  }
  // The process on trial is asked for its sessions, and answers.
  void answers(Generation generation, std::chrono::milliseconds when) {
    hear(Asked{generation}, when);
    hear(Counted{generation, 4}, when);
  }

  Service service{{.name = "chat"}};
};

}  // namespace handoff::supervisor
