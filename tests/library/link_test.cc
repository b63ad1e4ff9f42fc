// Sessions that are held at a switch stay with the donor and move later, over a link: through
// further generations, and with deaths on either side.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "line_service.h"
#include "link_fixture.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;

struct Way {
  const char* name;
  bool tracked;
  bool early;
  friend void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
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

  // Half a line goes along as input.
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

// The freeze decides: one session is held in the copy and released before it, another the other way
// round.
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
  ASSERT_EQ(1, prepare.late_ids_size());
  EXPECT_EQ(delta.closed(0), prepare.late_ids(0)) << "in case it is lost with the donor";
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

// A pid in shared memory, which the test's code in another process strikes.
struct Shared {
  Shared()
      : pid(static_cast<pid_t*>(::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Shared() { ::munmap(pid, sizeof(pid_t)); }
  pid_t* pid;
};

// In the middle of a group neither side owns its sessions, so they can't be handed on. The next
// switch waits for the group, and is given up within its budget.
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
  // The session is in a group for as long as the budget, comes back, and is tried again.
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
  EXPECT_THAT(other.line(),
              ::testing::AnyOf("EOF", "RESET"));  // a session of the dead process alone
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
  std::vector<std::multiset<std::string>> files = {open_files(donor->pid())};
  for (int i = 0; i < 5; ++i) {
    clients.push_back(std::make_unique<LineClient>(address_));
    ask(*clients.back(), "hold");
    files.push_back(open_files(donor->pid()));
  }
  std::vector<std::string> refused;  // the socket of the third session
  std::set_difference(files[3].begin(), files[3].end(), files[2].begin(), files[2].end(),
                      std::back_inserter(refused));
  ASSERT_EQ(1U, refused.size());
  auto two = holding("2");
  two.on_restore = [](SessionId id) {
    if ((id & 0xff) == 3) throw std::runtime_error("not this one");
  };
  auto heir = hand_over(*donor, two);
  for (auto& client : clients) client->send("release\n");
  while (waiting(*donor) > 1) {
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ("2 release\n", clients[static_cast<std::size_t>(i)]->line());
    EXPECT_EQ(i == 2 ? "3 1\n" : "3 2\n", ask(*clients[static_cast<std::size_t>(i)], "who"));
  }
  EXPECT_EQ(1U, open_files(donor->pid()).count(refused.front()));
  EXPECT_EQ(0U, open_files(heir->pid()).count(refused.front()))
      << "the refused one's fd is open in the heir";
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
