// Sessions that are held at a switch: they stay with the donor and come later, one by one, over a
// link; through further generations, deaths on either side, and the end of the drain.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <csignal>
#include <set>

#include "core/spread.h"
#include "io/process.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

LineServiceOptions holding(const std::string& version) {
  LineServiceOptions options;
  options.version = version;
  options.holds = true;
  return options;
}

class LinkTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> start(const LineServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_line_service(options); });
    owner_ = child->await_message<v1::Owner>(Type::kOwner);
    address_ = owner_.named(0).address();
    return child;
  }
  // The heir as owner; what becomes of the donor is the test's to look at.
  std::unique_ptr<ServiceProcess> hand_over(ServiceProcess& donor,
                                            const LineServiceOptions& options,
                                            const Terms& terms = {}) {
    auto heir = start_heir(
        donor, ++generation_, [&] { return run_line_service(options); }, terms);
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    return heir;
  }
  static std::uint64_t waiting(ServiceProcess& child) {
    return child.await_message<v1::Late>(Type::kLate).waiting();
  }
  static void drain(ServiceProcess& child, v1::LatePolicy policy, std::int64_t in_us) {
    v1::Drain order;
    order.set_deadline_us(static_cast<std::uint64_t>(io::now_us() + in_us));
    order.set_policy(policy);
    send(child.control(), Type::kDrain, order);
  }

  std::uint64_t generation_ = 0;
  v1::Owner owner_;
  std::string address_;
};

// Lines are counted in the session's state, so an answer shows that nothing was lost or done twice.
std::string ask(LineClient& client, const std::string& line) {
  client.send(line + "\n");
  return client.line();
}

struct Way {
  const char* name;
  bool tracked;
  bool early;
};
class LinkWayTest : public LinkTest, public ::testing::WithParamInterface<Way> {};

TEST_P(LinkWayTest, AHeldSessionStaysAndComesWhenItIsReleased) {
  auto one = holding("1"), two = holding("2");
  one.tracked = two.tracked = GetParam().tracked;
  one.early_restore = two.early_restore = GetParam().early;
  auto donor = start(one);
  LineClient busy(address_), idle(address_);
  EXPECT_EQ("1 hold\n", ask(busy, "hold"));
  EXPECT_EQ("1 a\n", ask(idle, "a"));

  auto heir = hand_over(*donor, two);
  EXPECT_EQ(1U, owner_.sessions());
  EXPECT_EQ(0U, owner_.lost());
  EXPECT_EQ(1U, waiting(*donor));
  EXPECT_EQ("2 2\n", ask(idle, "who"));
  EXPECT_EQ("2 1\n", ask(busy, "who"));
  LineClient fresh(address_);
  EXPECT_EQ("1 2\n", ask(fresh, "who"));

  // Half a line is input that goes along.
  busy.send("release\nwh");
  EXPECT_EQ("3 release\n", busy.line());
  EXPECT_EQ(0U, waiting(*donor));
  const auto retired = donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(1U, retired.sessions());
  EXPECT_EQ(0, donor->wait());
  busy.send("o\n");
  EXPECT_EQ("4 2\n", busy.line());
  EXPECT_EQ("3 2\n", ask(idle, "who"));
}
INSTANTIATE_TEST_SUITE_P(Ways, LinkWayTest,
                         ::testing::Values(Way{"Tracked", true, false},
                                           Way{"Untracked", false, false},
                                           Way{"TrackedEarly", true, true},
                                           Way{"UntrackedEarly", false, true}),
                         [](const auto& way) { return way.param.name; });

TEST_F(LinkTest, OneThatEndsInsteadEndsTheWaiting) {
  auto donor = start(holding("1"));
  auto busy = std::make_unique<LineClient>(address_);
  ask(*busy, "hold");
  auto heir = hand_over(*donor, holding("2"));
  EXPECT_EQ(1U, waiting(*donor));
  busy.reset();
  EXPECT_EQ(0U, waiting(*donor));
  EXPECT_EQ(0, donor->wait());
}

TEST_F(LinkTest, ManyGoInGroups) {
  auto donor = start(holding("1"));
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(std::make_unique<LineClient>(address_));
    ask(*clients.back(), "hold");
  }
  auto heir = hand_over(*donor, holding("2"));
  EXPECT_EQ(0U, owner_.sessions());
  for (auto& client : clients) client->send("release\n");
  donor->await_message<v1::Retired>(Type::kRetired);
  for (auto& client : clients) {
    EXPECT_EQ("2 release\n", client->line());
    EXPECT_EQ("3 2\n", ask(*client, "who"));
  }
}

// What is decided when frozen: held while it was copied, released since; and the other way round.
TEST_F(LinkTest, HeldOrNotIsDecidedWhenFrozen) {
  auto one = holding("1");
  auto donor = start(one);
  LineClient a(address_), b(address_);
  ask(a, "hold");
  ask(b, "x");
  RawHeir heir(*donor);
  heir.reach_copy_end();
  EXPECT_EQ("2 release\n", ask(a, "release"));
  EXPECT_EQ("2 hold\n", ask(b, "hold"));
  heir.send_copied();
  v1::Sessions delta;
  v1::Prepare prepare;
  while (true) {
    const Frame frame = heir.next();
    ASSERT_FALSE(frame.closed);
    if (frame.type == Type::kSessions) {
      ASSERT_TRUE(delta.ParseFromString(frame.body));
    }
    if (frame.type != Type::kPrepare) continue;
    ASSERT_TRUE(prepare.ParseFromString(frame.body));
    break;
  }
  EXPECT_EQ(1, delta.sessions_size());
  EXPECT_TRUE(delta.sessions(0).has_fd());
  EXPECT_EQ(1, delta.closed_size());
  EXPECT_EQ(1U, prepare.sessions());
  EXPECT_EQ(1U, prepare.late());
}

TEST_F(LinkTest, AnHeirThatKnowsNoLinksLeavesThemToTheDonorUntilTheyEnd) {
  auto donor = start(holding("1"));
  auto busy = std::make_unique<LineClient>(address_);
  ask(*busy, "hold");
  RawHeir heir(*donor);
  heir.reach_release();
  send_raw(heir.channel(), Type::kResumed, "");
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.waiting());
  EXPECT_FALSE(late.linked());
  EXPECT_EQ("2 release\n", ask(*busy, "release"));
  EXPECT_EQ("3 1\n", ask(*busy, "who"));
  busy.reset();
  EXPECT_EQ(0, donor->wait());
}

// ---- more than two generations

TEST_F(LinkTest, ItGoesToTheOwnerOfItsTime) {
  auto first = start(holding("1"));
  LineClient a(address_), b(address_), c(address_);
  ask(a, "hold");
  auto second = hand_over(*first, holding("2"));
  EXPECT_EQ(1U, waiting(*first));
  ask(b, "hold");
  auto third = hand_over(*second, holding("3"));
  EXPECT_EQ(1U, waiting(*second));
  ask(c, "hold");
  auto fourth = hand_over(*third, holding("4"));
  EXPECT_EQ(1U, waiting(*third));
  EXPECT_EQ("2 1\n", ask(a, "who"));
  EXPECT_EQ("2 2\n", ask(b, "who"));
  EXPECT_EQ("2 3\n", ask(c, "who"));
  for (LineClient* client : {&b, &a, &c}) {
    EXPECT_EQ("3 release\n", ask(*client, "release"));
  }
  for (ServiceProcess* child : {first.get(), second.get(), third.get()}) {
    EXPECT_EQ(0, child->wait());
  }
  for (LineClient* client : {&a, &b, &c}) EXPECT_EQ("4 4\n", ask(*client, "who"));
}

TEST_F(LinkTest, AFailedUpgradeLeavesTheLinkAsItWas) {
  auto first = start(holding("1"));
  LineClient a(address_), b(address_);
  ask(a, "hold");
  ask(b, "x");
  auto second = hand_over(*first, holding("2"));
  EXPECT_EQ(1U, waiting(*first));
  {
    RawHeir third(*second);
    third.reach_prepare();
    third.process().kill();
    third.close_channel();
    second->await_message<v1::Failed>(Type::kFailed);
  }
  EXPECT_EQ("2 release\n", ask(a, "release"));
  EXPECT_EQ(0, first->wait());
  EXPECT_EQ("3 2\n", ask(a, "who"));
  EXPECT_EQ("2 2\n", ask(b, "who"));
}

// A pid that code of the test in another process is to strike.
struct Shared {
  Shared()
      : pid(static_cast<pid_t*>(::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Shared() { ::munmap(pid, sizeof(pid_t)); }
  pid_t* pid;
};

// The group is neither the giver's nor the taker's, and may not be handed on like that: the next
// switch waits for it, and is given up within its budget.
TEST_F(LinkTest, AnOwnerDoesNotHandOverInTheMiddleOfAGroup) {
  Shared shared;
  auto first = start(holding("1"));
  *shared.pid = first->pid();
  LineClient busy(address_), idle(address_);
  ask(busy, "hold");
  ask(idle, "x");
  auto two = holding("2");
  two.on_restore = [&, count = 0](SessionId) mutable {
    if (++count == 2) ::kill(*shared.pid, SIGSTOP);  // the second is the one that comes late
  };
  auto second = hand_over(*first, two);
  EXPECT_EQ(1U, waiting(*first));
  busy.send("release\n");
  ASSERT_TRUE(first->wait_stopped());
  {
    RawHeir third(*second, {.budget_us = 200'000});
    third.reach_copy_end();
    third.send_copied();
    const auto failed = second->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(v1::TIMEOUT, failed.code());
    EXPECT_THAT(failed.reason(), ::testing::HasSubstr("late sessions"));
  }
  EXPECT_EQ("2 2\n", ask(idle, "who"));
  first->signal(SIGCONT);
  EXPECT_EQ("2 release\n", busy.line());
  EXPECT_EQ(0, first->wait());
  EXPECT_EQ("3 2\n", ask(busy, "who"));
}

// ---- deaths and silence

TEST_F(LinkTest, ATakerThatIsSilentKeepsNothingBack) {
  auto donor = start(holding("1"));
  LineClient busy(address_);
  ask(busy, "hold");
  auto heir = hand_over(*donor, holding("2"), {.budget_us = 200'000});
  EXPECT_EQ(1U, waiting(*donor));
  heir->stop();
  EXPECT_EQ("2 release\n", ask(busy, "release"));
  // In a group for the budget, then back, and again.
  for (int i = 3; i < 8; ++i) EXPECT_EQ(std::to_string(i) + " 1\n", ask(busy, "who"));
  heir->signal(SIGCONT);
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("8 2\n", ask(busy, "who"));
}

TEST_F(LinkTest, ATakerThatDiesBeforeItHasResumedLeavesTheSessionToTheGiver) {
  auto donor = start(holding("1"));
  LineClient busy(address_);
  ask(busy, "hold");
  auto two = holding("2");
  two.on_restore = [](SessionId) { ::raise(SIGKILL); };
  auto heir = hand_over(*donor, two);
  EXPECT_EQ(1U, waiting(*donor));
  EXPECT_EQ("2 release\n", ask(busy, "release"));
  heir->wait();
  EXPECT_EQ("3 1\n", ask(busy, "who"));
  const auto late = donor->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ(1U, late.waiting());
  EXPECT_FALSE(late.linked());
}

TEST_F(LinkTest, ATakerThatDiesAfterItHasResumedTakesTheSessionWithIt) {
  auto donor = start(holding("1"));
  LineClient busy(address_), other(address_);
  ask(busy, "hold");
  ask(other, "hold");
  auto two = holding("2");
  two.on_thaw_session = [](SessionId) { ::raise(SIGKILL); };
  auto heir = hand_over(*donor, two);
  EXPECT_EQ(2U, waiting(*donor));
  EXPECT_EQ("2 release\n", ask(busy, "release"));
  EXPECT_THAT(busy.line(), ::testing::AnyOf("EOF", "RESET"));
  EXPECT_EQ("2 1\n", ask(other, "who"));
}

TEST_F(LinkTest, AGiverThatDiesWithTheGroupSentLeavesItToTheTaker) {
  Shared shared;
  auto donor = start(holding("1"));
  *shared.pid = donor->pid();
  LineClient busy(address_), other(address_);
  ask(busy, "hold");
  ask(other, "hold");
  auto two = holding("2");
  two.on_restore = [&](SessionId) { ::kill(*shared.pid, SIGKILL); };
  auto heir = hand_over(*donor, two);
  EXPECT_EQ(2U, waiting(*donor));
  busy.send("release\n");
  donor->wait();
  EXPECT_EQ("2 release\n", busy.line());
  EXPECT_EQ("3 2\n", ask(busy, "who"));
  EXPECT_THAT(other.line(), ::testing::AnyOf("EOF", "RESET"));  // it had that one for itself
}

TEST_F(LinkTest, AGiverThatDiesBeforeItHasSentAnythingTakesItsSessionsWithIt) {
  auto one = holding("1");
  one.on_freeze_session = [](SessionId) { ::raise(SIGKILL); };
  auto donor = start(one);
  LineClient busy(address_), idle(address_);
  ask(busy, "hold");
  ask(idle, "x");
  auto heir = hand_over(*donor, holding("2"));
  busy.send("release\n");
  donor->wait();
  EXPECT_EQ("2 release\n", busy.line());
  EXPECT_THAT(busy.line(), ::testing::AnyOf("EOF", "RESET"));
  EXPECT_EQ("2 2\n", ask(idle, "who"));
}

TEST_F(LinkTest, OneThatTheTakerRefusesStaysAndTheOthersGo) {
  auto donor = start(holding("1"));
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<LineClient>(address_));
    ask(*clients.back(), "hold");
  }
  auto two = holding("2");
  two.on_restore = [](SessionId id) {
    if ((id & 0xff) == 3) throw std::runtime_error("not this one");
  };
  auto heir = hand_over(*donor, two);
  const auto before = open_files(heir->pid()).size();
  for (auto& client : clients) client->send("release\n");
  while (waiting(*donor) > 1) {
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ("2 release\n", clients[static_cast<std::size_t>(i)]->line());
    EXPECT_EQ(i == 2 ? "3 1\n" : "3 2\n", ask(*clients[static_cast<std::size_t>(i)], "who"));
  }
  EXPECT_EQ(before + 4, open_files(heir->pid()).size())
      << "the refused one's fd is open in the heir";
}

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

// A section that says where its words come from.
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
  // Nothing holds it, and it can't go: it ends where it is.
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

// How many of them release 2 answers; each line is counted, so none is lost or answered twice.
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

  // New ones are accepted by the second release and given back by the same share.
  std::vector<std::unique_ptr<LineClient>> older = std::move(clients);
  clients.clear();
  connect(100);
  while (waiting(*first) != share_of(1, 200, 500) + share_of(2, 100, 500)) {
  }
  EXPECT_EQ(100U - share_of(2, 100, 500), count_at_two(clients, 2));

  // It is not well: all of them go back.
  settle(0, 300);
  EXPECT_EQ(0U, count_at_two(older, 5));
  EXPECT_EQ(0U, count_at_two(clients, 3));
  spread(*first, 1000);
  spread(*second, 1000);
  EXPECT_EQ(0, first->wait());
  EXPECT_EQ(200U, count_at_two(older, 6));
  EXPECT_EQ(100U, count_at_two(clients, 4));
}

// A group that is under way when the next copy begins: its session is in the first round, and is
// somebody else's by the freeze.
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

// ---- what is refused

TEST_F(LinkTest, AServiceWithoutTheCallbacksCanNotHold) {
  LineServiceOptions plain;
  plain.on_ready = [](Service& service) {
    int pair[2];
    ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    const SessionId id = service.session_open(pair[0]);
    try {
      service.session_hold(id);
      throw std::logic_error("held");
    } catch (const Exception& e) {
      EXPECT_EQ(HANDOFF_ERR_REJECTED, e.code());
      EXPECT_THAT(e.what(), ::testing::HasSubstr("freeze_session"));
    }
    service.session_closed(id);
  };
  auto child = start(plain);
  LineClient client(address_);
  EXPECT_EQ("1 x\n", ask(client, "x"));
}

}  // namespace
}  // namespace handoff::test
