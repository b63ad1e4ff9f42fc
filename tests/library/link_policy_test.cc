// What becomes of sessions that stay with the donor, by policy: at the end of the drain, without a
// version in common, and share by share.
#include <gmock/gmock.h>

#include <csignal>
#include <set>

#include "libhandoff/core/spread.h"
#include "line_service.h"
#include "link_fixture.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// ---- the end of the drain

TEST_F(LinkTest, AtTheEndOfTheDrainTheyMoveAsTheyAre) {
  auto donor = start(holding("1"));
  LineClient busy(address_);
  ask(busy, "hold");
  auto heir = hand_over(*donor, holding("2"));
  drain(*donor, v1::LATE_MOVE, 10'000);
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("2 2\n", ask(busy, "who"));
}

TEST_F(LinkTest, OrAreClosed) {
  auto donor = start(holding("1"));
  LineClient busy(address_);
  ask(busy, "hold");
  auto heir = hand_over(*donor, holding("2"));
  drain(*donor, v1::LATE_CLOSE, 10'000);
  EXPECT_EQ("RESET", busy.line());
  v1::Late late;
  do {
    late = donor->await_message<v1::Late>(Type::kLate);
  } while (late.waiting() > 0);
  EXPECT_EQ(1U, late.closed());
  EXPECT_EQ(1U, donor->await_message<v1::Retired>(Type::kRetired).closed())
      << "which may be all that the next supervisor hears";
  EXPECT_EQ(0, donor->wait());
}

TEST_F(LinkTest, OrStay) {
  auto donor = start(holding("1"));
  LineClient busy(address_);
  ask(busy, "hold");
  auto heir = hand_over(*donor, holding("2"));
  drain(*donor, v1::LATE_KEEP, -1);
  for (int i = 2; i < 20; ++i) EXPECT_EQ(std::to_string(i) + " 1\n", ask(busy, "who"));
  EXPECT_EQ("20 release\n", ask(busy, "release"));
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("21 2\n", ask(busy, "who"));
}

// ---- state without a version in common

// A section that shows whether its words are its own, a donor's, or were reset ("empty").
class Words : public Section {
 public:
  explicit Words(std::string words) : words_(std::move(words)) {}
  void begin(std::uint32_t) override { given_ = false; }
  bool next(Phase phase, std::string& record) override {
    if (phase != Phase::kSnapshot || std::exchange(given_, true)) return false;
    record = words_;
    return true;
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view record) override { words_ = record; }
  void reset() override { words_ = "empty"; }
  const std::string& words() const { return words_; }

 private:
  std::string words_;
  bool given_ = false;
};

TEST_F(LinkTest, SessionsAndSectionsWithoutACommonVersionStayIfThatIsThePolicy) {
  auto one = holding("1");
  Words old_words("old"), new_words("new");
  one.adjust = [&](Service& s) { s.section("words", old_words, {1}, {1}); };
  auto two = holding("2");
  two.state_version = 7;
  two.adjust = [&](Service& s) { s.section("words", new_words, {2}, {2}); };
  two.on_ready = [&](Service&) {
    if (new_words.words() != "empty") throw std::runtime_error(new_words.words());
  };
  auto donor = start(one);
  auto client = std::make_unique<LineClient>(address_);
  ask(*client, "a");
  auto heir = hand_over(*donor, two, {.drain_incompatible = true});
  EXPECT_EQ(0U, owner_.sessions());
  EXPECT_EQ(1U, waiting(*donor));
  LineClient fresh(address_);
  EXPECT_EQ("1 2\n", ask(fresh, "who"));
  // The session can't go to the heir, so it stays with the donor to its end.
  for (int i = 2; i < 10; ++i) EXPECT_EQ(std::to_string(i) + " 1\n", ask(*client, "who"));
  client.reset();
  EXPECT_EQ(0, donor->wait());
}

TEST_F(LinkTest, AtTheEndOfTheDrainThoseAreClosedThatCanNotMove) {
  auto two = holding("2");
  two.state_version = 7;
  auto donor = start(holding("1"));
  LineClient client(address_);
  ask(client, "a");
  auto heir = hand_over(*donor, two, {.drain_incompatible = true});
  drain(*donor, v1::LATE_MOVE, 10'000);
  EXPECT_EQ("RESET", client.line());
  EXPECT_EQ(0, donor->wait());
}

// ---- progressive

LineServiceOptions sharing_nothing(const std::string& version) {
  auto options = holding(version);
  options.independent = true;
  return options;
}

void spread(ServiceProcess& child, std::uint32_t permille) {
  v1::Spread order;
  order.set_permille(permille);
  send(child.control(), Type::kSpread, order);
}

// How many of the clients release 2 answers. Each checks the count of its lines, so none is lost or
// answered twice.
std::size_t count_at_two(std::vector<std::unique_ptr<LineClient>>& clients, int line) {
  std::size_t out = 0;
  for (auto& client : clients) {
    const std::string answer = ask(*client, "who");
    EXPECT_EQ(std::to_string(line), answer.substr(0, answer.find(' ')));
    if (answer == std::to_string(line) + " 2\n") ++out;
  }
  return out;
}

TEST_F(LinkTest, SharesMoveThereAndBackAndNewConnectionsGoByTheSameShare) {
  auto first = start(sharing_nothing("1"));
  std::vector<std::unique_ptr<LineClient>> clients;
  const auto connect = [&](int n) {
    for (int i = 0; i < n; ++i) {
      clients.push_back(std::make_unique<LineClient>(address_));
      ask(*clients.back(), "x");
    }
  };
  connect(200);
  auto second = hand_over(*first, sharing_nothing("2"), {.spread = 100});
  const auto moved = static_cast<std::size_t>(owner_.sessions());
  EXPECT_GT(moved, 5U);
  EXPECT_LT(moved, 50U);
  EXPECT_EQ(200U - moved, waiting(*first));
  EXPECT_EQ(moved, count_at_two(clients, 2));
  for (auto& client : clients) ask(*client, "x");  // so that all count alike: 3

  const auto settle = [&](std::uint32_t permille, std::uint64_t wanted) {
    spread(*first, permille);
    spread(*second, permille);
    while (waiting(*first) != wanted) {
    }
  };
  const auto share_of = [](std::uint64_t generation, std::uint64_t n, std::uint32_t permille) {
    std::uint64_t stay = 0;
    for (std::uint64_t i = 1; i <= n; ++i) {
      if (!core::is_the_newer_ones(generation << 40 | i, permille)) ++stay;
    }
    return stay;
  };
  settle(500, share_of(1, 200, 500));
  EXPECT_EQ(200U - share_of(1, 200, 500), count_at_two(clients, 4));

  // Release 2 accepts new clients, and gives back those above the share.
  std::vector<std::unique_ptr<LineClient>> older = std::move(clients);
  clients.clear();
  connect(100);
  while (waiting(*first) != share_of(1, 200, 500) + share_of(2, 100, 500)) {
  }
  EXPECT_EQ(100U - share_of(2, 100, 500), count_at_two(clients, 2));

  // The share goes back to 0: all sessions return to release 1.
  settle(0, 300);
  EXPECT_EQ(0U, count_at_two(older, 5));
  EXPECT_EQ(0U, count_at_two(clients, 3));
  spread(*first, 1000);
  spread(*second, 1000);
  EXPECT_EQ(0, first->wait());
  EXPECT_EQ(200U, count_at_two(older, 6));
  EXPECT_EQ(100U, count_at_two(clients, 4));
}

// A group is under way when the next copy begins. Its session is in the first round, and belongs to
// another process by the freeze.
TEST_F(LinkTest, WhatIsGivenAwayDuringACopyIsNotTheHeirsAsWell) {
  constexpr std::uint32_t kNearlyNone = 1;
  const SessionId id = std::uint64_t{2} << 40 | 1;
  ASSERT_FALSE(core::is_the_newer_ones(id, kNearlyNone));
  auto one = sharing_nothing("1");
  one.on_restore = [](SessionId) { ::raise(SIGSTOP); };
  auto first = start(one);
  LineClient old(address_);
  ask(old, "x");
  auto second = hand_over(*first, sharing_nothing("2"), {.spread = kNearlyNone});
  LineClient given(address_);
  ASSERT_TRUE(first->wait_stopped());

  RawHeir third(*second);
  third.send_hello();
  std::set<std::uint64_t> have;
  const auto copy_until = [&](Type last) {
    while (true) {
      const Frame frame = third.next();
      ASSERT_FALSE(frame.closed);
      if (frame.type == last) return;
      if (frame.type != Type::kSessions) continue;
      v1::Sessions sessions;
      ASSERT_TRUE(sessions.ParseFromString(frame.body));
      for (const auto& session : sessions.sessions()) have.insert(session.id());
      for (const std::uint64_t closed : sessions.closed()) have.erase(closed);
    }
  };
  copy_until(Type::kCopyEnd);
  EXPECT_TRUE(have.contains(id));
  first->signal(SIGCONT);
  EXPECT_EQ("1 1\n", ask(given, "who"));
  third.send_copied();
  copy_until(Type::kPrepare);
  EXPECT_FALSE(have.contains(id)) << "it is the first one's";

  third.process().kill();
  third.close_channel();
  second->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ("2 1\n", ask(given, "who"));
}

TEST_F(LinkTest, ProgressiveIsRefusedForSessionsThatMayShareSomething) {
  auto donor = start(holding("1"));
  LineClient client(address_);
  ask(client, "x");
  auto [donors, heirs] = make_channel();
  const Process heir(wait_to_be_killed);
  donor->donate({std::move(donors), heir.pidfd(), {.spread = 100}});
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), ::testing::HasSubstr("is not declared independent"));
  EXPECT_EQ("2 1\n", ask(client, "who"));
}

}  // namespace
}  // namespace handoff::test
