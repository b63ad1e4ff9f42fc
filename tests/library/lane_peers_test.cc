// A donor and an heir with two lanes, and a peer that is played frame by frame. A message over a
// lane's channel counts as on the main channel; the end of a lane's channel does not.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>

#include "lane_service.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

int run_heir() { return run_lane_service({.lanes = 2, .version = "2"}); }
int run_heir_with_one_lane() { return run_lane_service({.lanes = 1, .version = "2"}); }

// A donor with two lanes, so that there is one channel besides the main one.
class LaneDonor : public RawDonor {
 public:
  LaneDonor() : LaneDonor(2, run_heir) {}
  LaneDonor(std::uint32_t heir_lanes, int (*body)()) : RawDonor(body), heir_lanes_(heir_lanes) {
    open_connections(2);
  }

  io::Channel& lane() { return *lane_; }
  void greet() {
    v1::Hello mine = hello();
    mine.set_lanes(2);
    send(channel(), Type::kHello, mine);
    v1::Hello theirs;
    ASSERT_TRUE(theirs.ParseFromString(next().body));
    ASSERT_EQ(heir_lanes_, theirs.lanes());
  }
  void open_lane() { open_lane(1, heir_lanes_); }
  void open_lane(std::size_t ends, std::uint32_t heir_lanes = 2) {
    v1::Lanes lanes;
    lanes.set_donor(2);
    lanes.set_heir(heir_lanes);
    std::vector<UniqueFd> kept;
    std::vector<int> fds;
    for (std::size_t i = 0; i < ends; ++i) {
      auto [mine, theirs] = make_channel();
      lane_.emplace(std::move(mine));
      fds.push_back(theirs.get());
      kept.push_back(std::move(theirs));
    }
    send(channel(), Type::kLanes, lanes, fds);
  }
  void close_lane() { lane_.reset(); }
  void start() {
    greet();
    open_lane();
    send_listeners();
  }
  // Both connections over the lane's channel; none over the main one.
  void copy() {
    start();
    send(*lane_, Type::kSessions, sessions(true), session_fds());
    end_round(*lane_, 2);
    end_round(channel(), 0);
    v1::Copied copied;
    ASSERT_TRUE(copied.ParseFromString(next().body));
    ASSERT_EQ(2U, copied.sessions()) << "of all channels";
  }
  static void end_round(io::Channel& channel, std::uint64_t sessions) {
    v1::CopyEnd end;
    end.set_round(1);
    end.set_sessions(sessions);
    send(channel, Type::kCopyEnd, end);
  }
  void prepare_lane(std::uint64_t sessions = 2, std::uint64_t error = 0) {
    v1::LanePrepare prepare;
    prepare.set_sessions(sessions);
    prepare.set_checksum(lane_->sent_hash() + error);
    send(*lane_, Type::kLanePrepare, prepare);
  }
  void prepare_main(std::uint64_t sessions = 2) {
    v1::Prepare message = prepare();
    message.set_sessions(sessions);
    message.set_checksum(channel().sent_hash());
    send(channel(), Type::kPrepare, message, {word()});
  }

 private:
  std::uint32_t heir_lanes_;
  std::optional<io::Channel> lane_;
};

struct Bad {
  const char* name;
  std::function<void(LaneDonor&)> act;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }
class BadLaneDonorTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadLaneDonorTest, IsToldWhyAndTheHeirGoes) {
  LaneDonor donor;
  GetParam().act(donor);
  expect_given_up(donor, v1::PROTOCOL);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(1, ::send(donor.connection(i).server.get(), "\n", 1, 0));
    EXPECT_EQ("\n", next_line(donor.connection(i).client.get()));
  }
}

INSTANTIATE_TEST_SUITE_P(Donors, BadLaneDonorTest,
                         ::testing::Values(Bad{"NoLanes",
                                               [](LaneDonor& d) {
                                                 d.greet();
                                                 d.send_listeners();
                                               }},
                                           Bad{"TooFewChannels",
                                               [](LaneDonor& d) {
                                                 d.greet();
                                                 d.open_lane(0);
                                               }},
                                           Bad{"TooManyChannels",
                                               [](LaneDonor& d) {
                                                 d.greet();
                                                 d.open_lane(2);
                                               }},
                                           Bad{"OtherNumbersThanInHello",
                                               [](LaneDonor& d) {
                                                 d.greet();
                                                 d.open_lane(1, 1);
                                               }},
                                           Bad{"LanesTwice",
                                               [](LaneDonor& d) {
                                                 d.greet();
                                                 d.open_lane();
                                                 d.open_lane();
                                               }},
                                           Bad{"AnUnknownTypeOverALane",
                                               [](LaneDonor& d) {
                                                 d.start();
                                                 send_raw(d.lane(), static_cast<Type>(77), "");
                                               }},
                                           Bad{"ListenersOverALane",
                                               [](LaneDonor& d) {
                                                 d.start();
                                                 send(d.lane(), Type::kListeners, d.listeners(),
                                                      {d.listener()});
                                               }},
                                           Bad{"ReleaseOverALane",
                                               [](LaneDonor& d) {
                                                 d.copy();
                                                 send_raw(d.lane(), Type::kRelease, "");
                                               }},
                                           Bad{"FdsWithCopyEndOverALane",
                                               [](LaneDonor& d) {
                                                 d.start();
                                                 send_raw(d.lane(), Type::kCopyEnd, "",
                                                          {d.listener()});
                                               }},
                                           Bad{"AWrongCountInALane",
                                               [](LaneDonor& d) {
                                                 d.start();
                                                 LaneDonor::end_round(d.lane(), 1);
                                               }},
                                           Bad{"AWrongCountInLanePrepare",
                                               [](LaneDonor& d) {
                                                 d.copy();
                                                 d.prepare_lane(1);
                                               }},
                                           Bad{"AWrongChecksumInLanePrepare",
                                               [](LaneDonor& d) {
                                                 d.copy();
                                                 d.prepare_lane(2, 1);
                                               }},
                                           Bad{"SessionsAfterLanePrepare",
                                               [](LaneDonor& d) {
                                                 d.copy();
                                                 d.prepare_lane();
                                                 send(d.lane(), Type::kSessions, v1::Sessions());
                                               }},
                                           Bad{"APrepareThatForgetsTheLane",
                                               [](LaneDonor& d) {
                                                 d.copy();
                                                 d.prepare_lane();
                                                 d.prepare_main(0);
                                               }}),
                         [](const auto& bad) { return bad.param.name; });

TEST(LaneHeirTest, TakesOverWhenADonorDiesThatHadPreparedAllLanes) {
  LaneDonor donor;
  donor.copy();
  donor.prepare_lane();
  donor.prepare_main();
  donor.close_lane();
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(2, ::send(donor.connection(i).client.get(), "x\n", 2, 0));
    EXPECT_EQ("6 x\n", next_line(donor.connection(i).client.get()));
  }
}

// The heir reads every channel to its end before it concludes anything.
TEST(LaneHeirTest, KeepsWhatHasNotMovedWhenADonorDiesBeforeALaneIsPrepared) {
  LaneDonor donor;
  donor.copy();
  donor.prepare_main();  // breaks the rule: the lane's LanePrepare comes first
  donor.close_lane();
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(2U, owner.sessions() + owner.lost());
}

// The heir has one lane, which reads the lane's channel beside the main one.
TEST(LaneHeirTest, ADeadDonorsFramesAreReadAlsoBehindThoseThatCantBeApplied) {
  LaneDonor donor(1, run_heir_with_one_lane);
  donor.start();
  send(donor.lane(), Type::kSessions, donor.sessions(true), donor.session_fds());
  LaneDonor::end_round(donor.lane(), 2);
  LaneDonor::end_round(donor.channel(), 0);
  ASSERT_EQ(Type::kCopied, donor.next().type);
  donor.heir().stop();
  const auto leaves = [&](std::size_t i) {
    v1::Sessions gone;
    gone.add_closed(donor.sessions(true).sessions(static_cast<int>(i)).id());
    return gone;
  };
  send(donor.lane(), Type::kSessions, leaves(0));
  for (int i = 0; i < 3; ++i) send_raw(donor.lane(), Type::kSessions, "\xff");
  send(donor.lane(), Type::kSessions, leaves(1));
  donor.close_lane();
  donor.die();
  donor.heir().signal(SIGCONT);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0U, owner.sessions());
}

TEST(LaneHeirTest, ALanesChannelThatClosesSaysNothing) {
  LaneDonor donor;
  donor.copy();
  donor.prepare_lane();
  donor.close_lane();
  donor.prepare_main();
  ASSERT_EQ(Type::kPrepared, donor.next().type);
  send_raw(donor.channel(), Type::kRelease, "");
  ASSERT_EQ(Type::kResumed, donor.next().type);
  EXPECT_EQ(2U, donor.heir().await_message<v1::Owner>(Type::kOwner).sessions());
}

// ---- an heir with one lane, for a donor with two

class LaneHeir : public RawHeir {
 public:
  explicit LaneHeir(ServiceProcess& donor) : RawHeir(donor) {}
  io::Channel& lane() { return *lane_; }
  void greet() {
    send_hello();
    ASSERT_EQ(Type::kHello, next().type);
    Frame frame = next();
    ASSERT_EQ(Type::kLanes, frame.type);
    v1::Lanes lanes;
    ASSERT_TRUE(lanes.ParseFromString(frame.body));
    EXPECT_EQ(2U, lanes.donor());
    EXPECT_EQ(1U, lanes.heir());
    ASSERT_EQ(1U, frame.fds.size());
    lane_.emplace(std::move(frame.fds[0]));
  }
  // The last frame of this type over the lane's channel.
  void await_lane(Type type) {
    while (true) {
      const Frame frame = receive(*lane_);
      if (frame.closed || frame.type == type) return;
      ack(lane_->frames_received());
    }
  }
  void ack(std::uint64_t frames) {
    v1::Ack message;
    message.set_frames(frames);
    send(*lane_, Type::kAck, message);
  }

 private:
  std::optional<io::Channel> lane_;
};

struct BadHeir {
  const char* name;
  std::function<void(LaneHeir&)> act;
};
void PrintTo(const BadHeir& bad, std::ostream* out) { *out << bad.name; }
class BadLaneHeirTest : public ::testing::TestWithParam<BadHeir> {};

TEST_P(BadLaneHeirTest, IsGivenUpAndBothLanesServeOn) {
  const LaneServiceOptions options;
  ServiceProcess donor(1, [&] { return run_lane_service(options); });
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
    clients.back()->send("a\n");
    EXPECT_EQ("1 a\n", clients.back()->line());
  }
  LaneHeir heir(donor);
  heir.greet();
  GetParam().act(heir);
  EXPECT_EQ(v1::PROTOCOL, donor.await_message<v1::Failed>(Type::kFailed).code());
  for (auto& client : clients) {
    client->send("b\n");
    EXPECT_EQ("2 b\n", client->line());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Heirs, BadLaneHeirTest,
    ::testing::Values(BadHeir{"AnAckTooMany", [](LaneHeir& h) { h.ack(99); }},
                      BadHeir{"CopiedOverALane",
                              [](LaneHeir& h) { send(h.lane(), Type::kCopied, v1::Copied()); }},
                      BadHeir{"FdsOverALane",
                              [](LaneHeir& h) { send(h.lane(), Type::kAck, v1::Ack(), {0}); }},
                      BadHeir{"CopiedThatForgetsTheLane",
                              [](LaneHeir& h) {
                                h.await_lane(Type::kCopyEnd);
                                h.await(Type::kCopyEnd);
                                h.send_copied();
                              }}),
    [](const auto& bad) { return bad.param.name; });

// Donors of any version give such an upgrade up then.
TEST(LaneSpreadTest, AnHeirWithSeveralLanesKnowsNoLinksIfAShareIsToMove) {
  for (const std::uint32_t spread : {0U, 100U}) {
    RawDonor donor(run_heir, {.spread = spread});
    v1::Hello mine = donor.hello();
    mine.set_lanes(1);
    send(donor.channel(), Type::kHello, mine);
    v1::Hello theirs;
    ASSERT_TRUE(theirs.ParseFromString(donor.next().body));
    EXPECT_EQ(2U, theirs.lanes());
    EXPECT_EQ(spread == 0, theirs.links());
  }
}

}  // namespace
}  // namespace handoff::test
