// What a client is told, and when: nothing is promised that the next supervisor would not know.
#include "supervisor/service/telling.h"

#include <gtest/gtest.h>

#include <vector>

namespace handoff::supervisor {
namespace {

using nlohmann::json;

class Listening : public Client {
 public:
  int uid() const override { return 7; }
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
  ServiceHost host{
      .save = [this](ServiceHost::Done done) { saving.push_back(std::move(done)); },
      .record = [this](json what, ServiceHost::Done) { records.push_back(std::move(what)); }};
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
  EXPECT_EQ(records.front().at("from").at("generation"), 3);
}

TEST_F(TellingTest, AClientThatHasGoneIsNotMissed) {
  telling.waits_for_stop(client);
  telling.stopped();
  client.reset();
  state_is_written();
}

}  // namespace
}  // namespace handoff::supervisor
