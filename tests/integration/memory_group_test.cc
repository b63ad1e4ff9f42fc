// A service under a limit of memory (a control group) that has no room for a second copy of its
// state. The kernel ends one process for want of memory: the heir, whose death costs nobody
// anything, although the donor is the larger one. Needs a memory cgroup of its own: root, or one
// that was delegated.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "support/clients/resp_client.h"
#include "support/process/files.h"
#include "support/process/memory_group.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr int kKeys = 160;  // of a MiB each
constexpr std::size_t kRoom = 90 * kMiB;

class MemoryGroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    supervisor_.emplace(Supervisor::Options{.command = {kv(1)}, .name = "kv"});
    client_.emplace(supervisor_->port());
    of_one_process_ = group_.used();
    const std::string value(kMiB, 'x');
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(client_->ask({"SET", "k" + std::to_string(i), value}), "OK");
    }
    ASSERT_EQ(client_->ask("SET counter 0"), "OK");
  }
  // A release of kv that joins the group. The supervisor is not in it: it takes a little for each
  // command.
  std::string kv(int version) const {
    const std::string path = dir_ / ("kv-" + std::to_string(version));
    write_file(path,
               "#!/bin/sh\n" + group_.join() + "exec " +
                   program("handoff-kv-" + std::to_string(version)) + " \"$@\"\n",
               0755);
    return path;
  }
  Supervisor::Outcome upgrade() {
    return supervisor_->upgrade(kv(2), {}, {"--freeze-budget", "10s"});
  }
  std::string score_of_owner() const {
    return read_file("/proc/" + std::to_string(supervisor_->service_pid()) + "/oom_score_adj");
  }
  void expect_served() {
    EXPECT_EQ(client_->ask("INCR counter"), ":" + std::to_string(++counter_));
    EXPECT_EQ(client_->ask("DBSIZE"), ":" + std::to_string(kKeys + 1));
    EXPECT_EQ(client_->ask("GET k159"), std::string(kMiB, 'x'));
  }

  TempDir dir_;
  MemoryGroup group_;
  std::optional<Supervisor> supervisor_;
  std::optional<RespClient> client_;
  int counter_ = 0;
  std::uint64_t of_one_process_ = 0;  // without data
};

TEST_F(MemoryGroupTest, TheOldProcessLivesSevenTimesOfSeven) {
  group_.limit(group_.used() + kRoom);
  for (std::uint64_t time = 1; time <= 7; ++time) {
    SCOPED_TRACE(time);
    const Footprint before(*supervisor_);
    expect_failed(upgrade(), "resources", {"memory", group_.name(), "MemoryMax="});
    before.expect_unchanged();
    EXPECT_EQ(group_.killed(), time);
    expect_served();
  }
  group_.limit(group_.used() + 4 * kKeys * kMiB);
  const std::string score = score_of_owner();
  const auto upgraded = upgrade();
  EXPECT_EQ(upgraded.status, 0) << upgraded.describe();
  EXPECT_TRUE(supervisor_->eventually([&] { return score_of_owner() == score; }))
      << "who owns is not the first to go: " << score_of_owner();
  expect_served();
}

TEST_F(MemoryGroupTest, WhatMayNotFitIsWarnedOfBeforehand) {
  group_.limit(group_.used() + kRoom);
  const auto told = supervisor_->command({"upgrade", "kv", kv(2)});
  EXPECT_EQ(told.status, 1) << told.describe();
  const auto warned = told.err.find("handoff: kv: memory may be short: the old process has ");
  const auto ended = told.err.find("(memory ran out of control group " + group_.name());
  EXPECT_LT(warned, ended) << told.describe();
  EXPECT_NE(ended, std::string::npos) << told.describe();
  EXPECT_TRUE(supervisor_->says("kv: memory may be short: the old process has "));
  expect_served();
}

TEST_F(MemoryGroupTest, APlanThatHasNoRoomSaysWhatItWouldTake) {
  group_.limit(group_.used() + kRoom);
  const auto plan = supervisor_->plan(kv(2));
  EXPECT_EQ(plan.status, 1) << plan.describe();
  const auto done = plan.done();
  EXPECT_EQ(done.at("problems").at(0).at("code"), "resources") << plan.describe();
  const auto& memory = done.at("memory");
  EXPECT_TRUE(memory.at("guessed")) << plan.describe();
  EXPECT_GT(memory.at("needed"), kKeys * kMiB);
  EXPECT_LT(memory.at("free"), memory.at("needed"));
  EXPECT_EQ(memory.at("free_of"), "control group " + group_.name());
  EXPECT_EQ(group_.killed(), 1U) << "the rehearsing process";
  expect_served();
}

TEST_F(MemoryGroupTest, WithoutRoomForAnyProcessNothingIsBegunUnlessSomebodyWantsIt) {
  const Footprint before(*supervisor_);
  group_.limit(group_.used() + 2 * kMiB);
  for (const auto& words : {std::vector<std::string>{"upgrade", "kv", kv(2)},
                            {"plan", "kv", kv(2)},
                            {"restart", "kv"}}) {
    auto command = words;
    command.emplace_back("--json");
    expect_failed(supervisor_->command(command), "resources",
                  {"memory is short", "control group " + group_.name(), "--ignore-memory"});
  }
  before.expect_unchanged();
  EXPECT_EQ(supervisor_->status().at("generation"), 1U);
  EXPECT_EQ(group_.killed(), 0U);
  EXPECT_EQ(supervisor_->history("refused").size(), 2U) << "a plan is recorded as a plan";
  group_.limit(group_.used() + 4 * kKeys * kMiB);
  const auto wanted = supervisor_->upgrade(kv(2), {}, {"--ignore-memory"});
  EXPECT_EQ(wanted.status, 0) << wanted.describe();
  expect_served();
}

// What a donor takes for the copy, it takes when its heir has next to nothing that could be given
// away. So the heir tries it first. Less than a process takes until it opens the library is another
// matter: till then it does not know that it is an heir.
TEST_F(MemoryGroupTest, ADonorTakesNothingBeforeItsHeirHasHadAsMuch) {
  const pid_t donor = supervisor_->service_pid();
  for (std::size_t more = 2; more <= 14; ++more) {
    SCOPED_TRACE(more);
    group_.limit(group_.used() + of_one_process_ + more * kMiB);
    const auto upgraded = supervisor_->upgrade(kv(2), {}, {"--ignore-memory"});
    EXPECT_EQ(upgraded.status, 1) << upgraded.describe();
    ASSERT_EQ(supervisor_->service_pid(), donor) << upgraded.describe();
  }
  expect_served();
}

}  // namespace
}  // namespace handoff::test
