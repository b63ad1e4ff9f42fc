// Late sessions of services with several lanes: deaths on either side, and what stays by other
// words than hold().
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <csignal>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lane_link_fixture.h"
#include "libhandoff/base/unique_fd.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;

// ---- deaths

// A pid in shared memory, which the test's code in another process strikes.
struct SharedPid {
  SharedPid()
      : pid(static_cast<pid_t*>(::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE,
                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedPid() { ::munmap(pid, sizeof(pid_t)); }
  pid_t* pid;
};

TEST_F(LaneLinkTest, ADonorThatIsKilledLateTakesAlongWhatItHadAndNothingElse) {
  auto donor = start(holding_lanes(2, "1"));
  connect(8);
  const auto held = hold_one_of_each(2);
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(2U, owner_.kept()) << "of both lanes";
  EXPECT_EQ(2, owner_.kept_ids_size());
  EXPECT_EQ(2U, late(*donor).waiting());
  donor->kill();
  const std::set<Client*> gone(held.begin(), held.end());
  for (Client& client : clients_) {
    if (gone.contains(&client)) {
      EXPECT_THAT(client.line->line(), AnyOf("EOF", "RESET"));
    } else {
      say(client, "x");
    }
  }
  auto third = hand_over(*heir, holding_lanes(3, "3"));
  EXPECT_EQ(6U, owner_.sessions());
}

TEST_F(LaneLinkTest, AGiverThatDiesWithTheGroupSentLeavesItToTheTakersLane) {
  const SharedPid shared;
  auto donor = start(holding_lanes(2, "1"));
  *shared.pid = donor->pid();
  connect(2);
  const auto held = hold_one_of_each(2);
  auto two = holding_lanes(2, "2");
  two.on_restore = [&](std::uint32_t) { ::kill(*shared.pid, SIGKILL); };
  auto heir = hand_over(*donor, two);
  EXPECT_EQ(2U, late(*donor).waiting());
  say(*held[1], "release");
  donor->wait();
  EXPECT_EQ("2.1", server_of(*held[1]));
  EXPECT_THAT(held[0]->line->line(), AnyOf("EOF", "RESET"));
}

// The next owner gets a new link from the supervisor, and by it the late process new ways.
TEST_F(LaneLinkTest, AnHeirThatIsKilledLeavesThemToTheDonorAndTheNextOwnerGetsThem) {
  auto donor = start(holding_lanes(2, "1"));
  connect(2);
  const auto held = hold_one_of_each(2);
  auto two = holding_lanes(2, "2");
  two.on_restore = [](std::uint32_t) { ::raise(SIGKILL); };
  auto heir = hand_over(*donor, two);
  EXPECT_EQ(2U, late(*donor).waiting());
  say(*held[1], "release");
  heir->wait();
  v1::Late standing;
  do {
    standing = late(*donor);
  } while (standing.linked());
  EXPECT_EQ(2U, standing.waiting());
  EXPECT_EQ("1.1", server_of(*held[1]));

  auto next = start(holding_lanes(2, "3"));
  relink(*donor, *next);
  say(*held[0], "release");
  expect_retired(*donor);
  EXPECT_EQ(lanes_of("3", 2), servers_of(held));
}

// A late process that was stopped answers both owners at once, and the second one hears what was
// for the first, too.
TEST_F(LaneLinkTest, WaysForAnOwnerThatHasHandedOverAreIgnored) {
  auto donor = start(holding_lanes(2, "1"));
  connect(2);
  const auto held = hold_one_of_each(2);
  auto heir = hand_over(*donor, holding_lanes(2, "2"));
  EXPECT_EQ(2U, late(*donor).waiting());
  heir->kill();
  donor->stop();
  auto next = start(holding_lanes(2, "3"));
  relink(*donor, *next);
  auto last = hand_over(*next, holding_lanes(3, "4"));
  donor->signal(SIGCONT);
  release(held);
  expect_retired(*donor);
  EXPECT_THAT(servers_of(held), IsSubsetOf(lanes_of("4", 3)));
}

// An owner closes its end of the link and not that of a way: a new link is wanted.
TEST_F(LaneLinkTest, AWayAloneIsNoLink) {
  auto donor = start(holding_lanes(1, "1"));
  connect(1);
  say(clients_[0], "hold");
  auto heir = hand_over(*donor, holding_lanes(1, "2"));
  EXPECT_EQ(1U, late(*donor).waiting());
  heir->kill();
  while (late(*donor).linked()) {
  }

  const Process owner(wait_to_be_killed);
  auto [late_end, owners_end] = make_channel();
  std::optional<io::Channel> link(std::move(owners_end));
  v1::Relink order;
  send(donor->control(), Type::kRelink, order, {late_end.get(), owner.pidfd()});
  late_end.reset();
  EXPECT_TRUE(late(*donor).linked());
  v1::LinkHello hello;
  hello.set_protocol_min(1);
  hello.set_protocol_max(1);
  hello.set_generation(3);
  hello.set_lanes(2);
  hello.mutable_manifest()->set_service("test");
  send(*link, Type::kLinkHello, hello, {owner.pidfd()});
  EXPECT_EQ(Type::kLinkHello, receive(*link).type);
  const Frame ways = receive(*link);
  ASSERT_EQ(Type::kLanes, ways.type);
  ASSERT_EQ(1U, ways.fds.size());
  link.reset();
  EXPECT_FALSE(late(*donor).linked());
}

// ---- what else stays

// By the operator's word: sessions that a lane's restore() refuses.
TEST_F(LaneLinkTest, WhatALaneRefusesStaysIfThatIsThePolicy) {
  for (const bool early : {false, true}) {
    SCOPED_TRACE(early ? "early" : "late");
    clients_.clear();
    auto one = holding_lanes(3, "1"), two = holding_lanes(2, "2");
    one.early_restore = two.early_restore = early;
    two.refuses = [](SessionId id) { return (id & 0xff) % 3 == 0; };
    auto donor = start(one);
    connect(20);
    auto heir = hand_over(*donor, two, {.unmovable = v1::UNMOVABLE_LATE});
    EXPECT_EQ(14U, owner_.sessions());
    const auto standing = late(*donor);  // what an upgrade's answer says is from the first
    EXPECT_EQ(6U, standing.unmovable());
    EXPECT_EQ(6U, standing.waiting());
    EXPECT_EQ(6, standing.unmoved_size());
    int stayed = 0;
    for (Client& client : clients_) stayed += server_of(client).starts_with("1.") ? 1 : 0;
    EXPECT_EQ(6, stayed);
    clients_.clear();
    expect_retired(*donor);
  }
}

TEST_F(LaneLinkTest, AllLanesNeedTheCallbacks) {
  auto service = Service::open({.name = "test", .version = "1", .lanes = 2});
  service->on_late([](std::uint64_t) {});
  service->on_moved([](SessionId) {});
  service->on_freeze_session([](SessionId) {});
  service->on_thaw_session([](SessionId) {});
  service->start();
  int fds[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
  const UniqueFd a(fds[0]), b(fds[1]);
  const SessionId id = service->session_open(a.get());
  try {
    service->session_hold(id);
    FAIL() << "lane 1 has none of the callbacks";
  } catch (const Exception& e) {
    EXPECT_EQ(HANDOFF_ERR_REJECTED, e.code());
    EXPECT_THAT(e.what(), HasSubstr("in all lanes"));
  }
}

}  // namespace
}  // namespace handoff::test
