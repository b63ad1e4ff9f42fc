// linked(): the one call in an heir at which all sessions and sections are there, and nothing is
// its own yet.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "handover_fixture.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// A section of one record; knows whether it is finished.
class Word : public Section {
 public:
  explicit Word(std::string with = {}) : text(std::move(with)) {}
  void begin(std::uint32_t) override { given_ = false; }
  bool next(Phase, std::string& record) override {
    record = text;
    return !std::exchange(given_, true);
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view record) override { text = record; }
  void finish() override {
    if (refuses) throw std::runtime_error("no such word");
    finished = true;
  }
  void reset() override { text.clear(); }
  std::string text;
  bool finished = false;
  bool refuses = false;

 private:
  bool given_ = false;
};

class LinkedTest : public HandoverTest {
 protected:
  // Two clients, who have said a line each.
  std::unique_ptr<ServiceProcess> start_with_clients() {
    LineServiceOptions one;
    one.adjust = [this](Service& s) { s.section("word", word_, {1}, {1}); };
    auto donor = start(one);
    for (auto& client : clients_) {
      client = std::make_unique<LineClient>(address("public"));
      client->send("a\n");
      EXPECT_EQ("1 a\n", client->line());
    }
    return donor;
  }
  // An heir that says in its answers what linked() has seen.
  LineServiceOptions heir(bool early) {
    LineServiceOptions two;
    two.version = "2";
    two.early_restore = early;
    two.on_restore = [this](SessionId id) { restored_.insert(id); };
    two.adjust = [this](Service& s) {
      s.section("word", came_, {1}, {1});
      Service* const service = &s;
      s.on_linked([this, service] {
        if (refuses_) throw std::runtime_error("session without a room");
        seen_ += std::to_string(restored_.size()) + (came_.finished ? " " + came_.text : " torn");
        seen_ += service->state() == State::kHeir ? " heir;" : " owner;";
      });
    };
    two.answer = [this](const std::string&) { return seen_; };
    return two;
  }
  void expect_served_by_the_donor() {
    for (auto& client : clients_) {
      client->send("b\n");
      EXPECT_EQ("2 b\n", client->line());
    }
  }

  Word word_{"hello"};
  Word came_;
  std::set<SessionId> restored_;
  std::string seen_;
  bool refuses_ = false;
  std::array<std::unique_ptr<LineClient>, 2> clients_;
};

TEST_F(LinkedTest, ComesOnceWhenAllIsThereAndNothingIsOwned) {
  for (const bool early : {false, true}) {
    generation_ = 0;
    auto donor = start_with_clients();
    auto second = hand_over(*donor, heir(early));
    clients_[0]->send("b\n");
    EXPECT_EQ("2 hello heir;\n", clients_[0]->line()) << early;
  }
}

TEST_F(LinkedTest, ARefusalIsAnUpgradeThatFailsAndTheDonorGoesOn) {
  refuses_ = true;
  for (const bool early : {false, true}) {
    generation_ = 0;
    auto donor = start_with_clients();
    auto second = start_heir(*donor, ++generation_, [&] { return run_line_service(heir(early)); });
    const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(v1::REJECTED, failed.code());
    EXPECT_TRUE(failed.of_peer());
    EXPECT_THAT(failed.reason(), HasSubstr("linked() failed: session without a room"));
    EXPECT_EQ(3, second->wait());
    expect_served_by_the_donor();
  }
}

TEST_F(LinkedTest, TheTimeThatItTakesIsWithinTheBudget) {
  auto donor = start_with_clients();
  const std::string fifo = folder_ + "/never";
  ASSERT_EQ(0, ::mkfifo(fifo.c_str(), 0600));
  LineServiceOptions two = heir(false);
  two.adjust = [&](Service& s) {
    s.section("word", came_, {1}, {1});
    s.on_linked([fifo] { UniqueFd(::open(fifo.c_str(), O_RDONLY | O_CLOEXEC)).reset(); });
  };
  auto second = start_heir(*donor, ++generation_, [&] { return run_line_service(two); },
                           {.budget_us = 200'000});
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::TIMEOUT, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("freeze budget"));
  expect_served_by_the_donor();
}

// ---- a rehearsal

class LinkedPlanTest : public LinkedTest {
 protected:
  v1::Rehearsed rehearse(bool early) {
    generation_ = 0;
    donor_ = start_with_clients();
    auto second = start_heir(*donor_, ++generation_, [&] { return run_line_service(heir(early)); },
                             {.rehearsal = true});
    const auto said = second->await_message<v1::Rehearsed>(Type::kRehearsed);
    EXPECT_EQ(3, second->wait());
    expect_served_by_the_donor();
    return said;
  }
  std::unique_ptr<ServiceProcess> donor_;
};

TEST_F(LinkedPlanTest, ARehearsalTriesIt) {
  for (const bool early : {false, true}) {
    refuses_ = true;
    const auto said = rehearse(early);
    ASSERT_EQ(1, said.findings_size());
    EXPECT_EQ("linked()", said.findings(0).what());
    EXPECT_EQ(0U, said.findings(0).session());
    EXPECT_THAT(said.findings(0).reason(), HasSubstr("session without a room"));
    refuses_ = false;
    EXPECT_EQ(0, rehearse(early).findings_size());
  }
}

TEST_F(LinkedPlanTest, WithoutASectionThereIsNothingToLink) {
  refuses_ = true;
  came_.refuses = true;
  const auto said = rehearse(false);
  ASSERT_EQ(1, said.findings_size());
  EXPECT_EQ("section 'word'", said.findings(0).what());
}

}  // namespace
}  // namespace handoff::test
