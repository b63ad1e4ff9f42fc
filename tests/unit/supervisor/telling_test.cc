// What a client is told, and when: nothing is promised that the next supervisor would not know.
#include "supervisor/service/telling.h"

#include <gtest/gtest.h>

#include <vector>

namespace handoff::supervisor {
namespace {

using nlohmann::json;

class Listening : public Client {
 public:
  Who who() const override { return {.uid = 7, .login = 8}; }
  int fd() const override { return -1; }
  void send(const json&) override {}
  void finish(const json& answer) override { answers.push_back(answer); }
  std::vector<json> answers;
};

class TellingTest : public testing::Test {
 protected:
  void state_is_written() {
    for (const auto& done : std::exchange(saving, {})) done({});
  }

  std::vector<ServiceHost::Done> saving;
  std::vector<json> records;
  std::vector<ServiceHost::Done> recording;
  std::vector<json> tried;
  std::vector<ServiceHost::Done> trying;
  bool required = false;
  int changes = 0;
  ServiceHost host{.changed = [this] { ++changes; },
                   .save = [this](ServiceHost::Done done) { saving.push_back(std::move(done)); },
                   .record =
                       [this](json what, ServiceHost::Done done) {
                         records.push_back(std::move(what));
                         recording.push_back(std::move(done));
                       },
                   .try_record =
                       [this](json what, ServiceHost::Done done) {
                         tried.push_back(std::move(what));
                         trying.push_back(std::move(done));
                       },
                   .history_required = [this] { return required; }};
  Telling telling{host, "chat"};
  std::shared_ptr<Listening> client = std::make_shared<Listening>();
};

TEST_F(TellingTest, TheLastAnswerComesWhenTheStateFileHasWhatItTells) {
  const RequestId request = telling.asked(client, "upgrade");
  telling.finish(request, {{"result", "done"}});
  EXPECT_TRUE(client->answers.empty());
  state_is_written();
  EXPECT_EQ(client->answers, (std::vector<json>{{{"result", "done"}}}));
}

TEST_F(TellingTest, SoDoesThatOfAStop) {
  telling.waits_for_stop(client);
  telling.stopped();
  EXPECT_TRUE(client->answers.empty()) << "the next supervisor would start it again";
  state_is_written();
  ASSERT_EQ(client->answers.size(), 1U);
  EXPECT_EQ(client->answers.front().at("result"), "done");
  EXPECT_EQ(client->answers.front().at("service"), "chat");
}

TEST_F(TellingTest, AStopIsInTheHistoryWithWhoAskedForIt) {
  telling.record_stop(client, {.release = "1.0", .generation = 3});
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.front().at("event"), "stop");
  EXPECT_EQ(records.front().at("service"), "chat");
  EXPECT_EQ(records.front().at("uid"), 7);
  EXPECT_EQ(records.front().at("login_uid"), 8);
  EXPECT_EQ(records.front().at("from").at("generation"), 3);
}

// A supervisor that dies meanwhile leaves the record to the next one.
TEST_F(TellingTest, ARecordIsInTheStateUntilTheHistoryHasIt) {
  telling.record_stop(client, {.release = "1.0", .generation = 3});
  telling.record({.who = {.uid = 7}}, {{"event", "upgrade"}});
  ASSERT_EQ(records.size(), 2U);
  EXPECT_TRUE(records[0].contains("at")) << "when it happened, not when it is written";
  EXPECT_EQ(telling.unrecorded(), records);
  recording[0]({});
  EXPECT_EQ(telling.unrecorded(), std::vector{records[1]});
  EXPECT_EQ(changes, 1) << "the state is written without it";
  recording[1](fail(-ENOSPC, "the history is full"));
  EXPECT_TRUE(telling.unrecorded().empty()) << "it was given up";
}

// A disk that hangs or is full makes no state file grow without end.
TEST_F(TellingTest, OfManyRecordsTheStateHasTheNewest) {
  for (std::size_t i = 0; i < Telling::kMaxUnrecorded + 3; ++i) {
    telling.record({.who = {.uid = 7}}, {{"event", "upgrade"}, {"number", i}});
  }
  ASSERT_EQ(telling.unrecorded().size(), Telling::kMaxUnrecorded);
  EXPECT_EQ(telling.unrecorded().front().at("number"), 3);
  EXPECT_EQ(telling.unrecorded().back().at("number"), Telling::kMaxUnrecorded + 2);
  recording.front()({});  // of one that the state has no more
  EXPECT_EQ(telling.unrecorded().size(), Telling::kMaxUnrecorded);
}

TEST_F(TellingTest, ARecordOfTheSupervisorBeforeIsWrittenAsItWas) {
  const json record{{"at", "2024-01-01T00:00:00Z"}, {"event", "upgrade"}, {"by", "probation"}};
  telling.record_again(record);
  EXPECT_EQ(records, std::vector{record});
  EXPECT_EQ(telling.unrecorded(), std::vector{record});
}

TEST_F(TellingTest, AClientThatHasGoneIsNotMissed) {
  telling.waits_for_stop(client);
  telling.stopped();
  client.reset();
  state_is_written();
}

TEST_F(TellingTest, AStoppedServiceThatIsStartedIsToldAsThat) {
  const RequestId request = telling.asked(client, "restart");
  telling.remember(telling.asker(request), {{"fresh", true}, {"result", "done"}});
  telling.remember(telling.asker(request), {{"fresh", false}, {"result", "done"}});
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].at("event"), "start");
  EXPECT_EQ(records[0].at("uid"), 7);
  EXPECT_EQ(records[1].at("event"), "upgrade");
}

TEST_F(TellingTest, WhatTheServiceDoesItselfIsNobodys) {
  telling.record({.by_service = true}, {{"event", "crash"}});
  EXPECT_EQ(records.front().at("by"), "service");
  EXPECT_TRUE(records.front().at("uid").is_null());
}

// A request that nobody waits for is in the state until the history has it, like all else.
TEST_F(TellingTest, OnlyWhereTheHistoryIsRequiredIsARequestTriedFirst) {
  const RequestId request = telling.asked(client, "rollback");
  telling.record_request(request, "/opt/chat");
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records.front().at("event"), "requested");
  EXPECT_EQ(telling.unrecorded(), records);
  Result<void> told;
  telling.require_record(request, "/opt/chat", [&told](const auto& result) { told = result; });
  ASSERT_EQ(tried.size(), 1U);
  trying.front()(fail(-ENOSPC, "full"));
  EXPECT_FALSE(told);
  EXPECT_EQ(records.size(), 1U) << "what was not begun is not to be added later";
}

TEST_F(TellingTest, APlanSaysThatAnUpgradeCouldNotBeToldOnlyWhereItHasToBe) {
  int told = 0;
  const auto good = [&told](const Result<void>& result) { told += result ? 1 : 100; };
  telling.record_plan(1, {{"event", "planned"}}, good);
  EXPECT_EQ(told, 1);
  required = true;
  telling.record_plan(1, {{"event", "planned"}}, good);
  ASSERT_EQ(trying.size(), 1U);
  trying.front()(fail(-ENOSPC, "full"));
  EXPECT_EQ(told, 101);
  EXPECT_EQ(records.size(), 2U) << "and the plan is added once there is room";
}

}  // namespace
}  // namespace handoff::supervisor
