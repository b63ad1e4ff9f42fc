// Which side compares a session's socket with its announced identity (invariant I6,
// docs/invariants.md): the donor, or, if the donor's loop is busy and the heir can, the heir.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/sys/fd_limit.h"
#include "libhandoff/sys/process.h"
#include "line_service.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// ---- a real donor, and an heir that is the test

constexpr std::size_t kSessions = 1100;  // more than four frames
// The first turn can't know yet whether the loop is busy, so it sends at most two frames.
constexpr std::size_t kInFirstTurn = 2 * protocol::kMaxFds;

enum class Fault : std::uint8_t { kNone, kClosed, kReplaced };
struct Loop {
  std::size_t sessions = kSessions;
  bool busy = false;
  Fault fault = Fault::kNone;
  bool opens = false;  // one more session, when all the others are saved
  // The process ends with 1 if more sessions than this are saved in one turn.
  std::size_t most_in_a_turn = ~std::size_t{0};
};

// A service on poll(2), whose sessions are socket pairs of its own, open until the process ends.
// Busy: each turn of its loop takes longer than four frames of the copy, on any machine. The fault
// befalls, after the copy's first turn, the socket of a session that was not in it.
class Owner {
 public:
  Owner(Service& service, const Loop& loop) : service_(service), loop_(loop) {
    service_.on_save([this](SessionId id) {
      saved_.insert(id);
      return Saved(std::string("5"));
    });
    service_.on_restore([](Adopted) {});
    service_.on_retired([this](std::uint64_t) { done_ = true; });
    service_.on_stop([this](std::uint64_t) { done_ = true; });
  }

  int run() {
    service_.wait();
    for (std::size_t i = 0; i < loop_.sessions; ++i) open();
    while (!done_) {
      pollfd fd{service_.fd(), POLLIN, 0};
      if (::poll(&fd, 1, -1) < 0) return 1;
      if (loop_.busy) work();
      const std::size_t before = saved_.size();
      const std::uint64_t begun = io::thread_time_ns();
      service_.dispatch();
      longest_turn_ns_ = std::max(longest_turn_ns_, io::thread_time_ns() - begun);
      if (saved_.size() - before > loop_.most_in_a_turn) return 1;
      if (!saved_.empty()) befall();
      if (saved_.size() == loop_.sessions && std::exchange(loop_.opens, false)) open();
    }
    return 0;
  }

 private:
  void open() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) ::_exit(1);
    sockets_[service_.session_open(ends[0], HANDOFF_SESSION_TRACKED)] = ends[0];
  }
  // 50 ms are far more than four frames take on a real processor. An emulated one may need as long
  // for a single frame, so it works five times as long as its longest turn.
  void work() const {
    const std::uint64_t until =
        io::thread_time_ns() + std::max<std::uint64_t>(50'000'000, 5 * longest_turn_ns_);
    while (io::thread_time_ns() < until) {
    }
  }
  void befall() {
    const Fault fault = std::exchange(loop_.fault, Fault::kNone);
    if (fault == Fault::kNone) return;
    for (const auto& [id, socket] : sockets_) {
      if (saved_.contains(id)) continue;
      ::close(socket);
      if (fault == Fault::kClosed) return;
      const int other = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (other != socket)
        ::_exit(1);  // a new fd gets the lowest free number, that of the closed one
      return;
    }
  }

  Service& service_;
  Loop loop_;
  std::map<SessionId, int> sockets_;
  std::set<SessionId> saved_;
  std::uint64_t longest_turn_ns_ = 0;  // of dispatch(), in processor time
  bool done_ = false;
};

// Runs the loop in each lane.
int run_owner(const Loop& loop, std::uint32_t lanes) {
  io::FdLimit().raise(io::FdLimit::most());
  const auto service = Service::open({.name = "test", .version = "1", .lanes = lanes});
  std::vector<std::unique_ptr<Owner>> owners;
  for (std::uint32_t i = 0; i < lanes; ++i) {
    owners.push_back(std::make_unique<Owner>(service->lane(i), loop));
  }
  service->start();
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < lanes; ++i) {
    threads.emplace_back([&owner = *owners[i]] {
      if (owner.run() != 0) ::_exit(1);
    });
  }
  if (owners[0]->run() != 0) ::_exit(1);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

// How the donor's sessions came to the heir.
struct Came {
  std::size_t seen = 0;    // those at which the donor has looked
  std::size_t unseen = 0;  // and not
  std::size_t others = 0;  // of these, those that are not the socket announced
  v1::Abort abort;
};

// An heir of a handoff with one channel, or with two: then one side has two lanes, the other one.
class Heir : public RawHeir {
 public:
  Heir(ServiceProcess& donor, bool looks, std::uint32_t lanes, std::uint32_t channels)
      : RawHeir(donor), channels_(channels) {
    v1::Hello mine = hello();
    mine.set_looks(looks);
    mine.set_lanes(lanes);
    send(channel(), Type::kHello, mine);
  }
  Came first_round() {
    std::uint32_t complete = 0;
    while (complete < channels_) {
      const bool from_lane = lane_ && !comes_first(channel(), *lane_);
      io::Channel& from = from_lane ? *lane_ : channel();
      Frame frame = from_lane ? receive(from) : next();
      if (frame.closed || frame.type == Type::kAbort) {
        EXPECT_TRUE(came_.abort.ParseFromString(frame.body));
        break;
      }
      if (frame.type == Type::kLanes) {
        lane_.emplace(std::move(frame.fds.at(0)));
      } else if (frame.type == Type::kCopyEnd) {
        ++complete;
      }
      count(frame);
      acknowledge(from);
    }
    return came_;
  }
  // Receives the delta of the freeze.
  Came delta() {
    came_ = {};
    send_copied();
    while (true) {
      const Frame frame = next();
      EXPECT_NE(Type::kCopyEnd, frame.type) << "another round";
      if (frame.closed || frame.type == Type::kPrepare) return came_;
      count(frame);
    }
  }

 private:
  static bool comes_first(const io::Channel& one, const io::Channel& other) {
    pollfd fds[] = {{one.fd(), POLLIN, 0}, {other.fd(), POLLIN, 0}};
    EXPECT_LT(0, ::poll(fds, 2, Deadline::patience().milliseconds()));
    return fds[0].revents != 0;
  }
  static void acknowledge(io::Channel& channel) {
    v1::Ack ack;
    ack.set_frames(channel.frames_received());
    send(channel, Type::kAck, ack);
  }
  void count(const Frame& frame) {
    if (frame.type != Type::kSessions) return;
    v1::Sessions message;
    EXPECT_TRUE(message.ParseFromString(frame.body));
    EXPECT_EQ(static_cast<std::size_t>(message.sessions_size()), frame.fds.size());
    std::size_t others = 0;
    for (int i = 0; i < message.sessions_size(); ++i) {
      const int fd = frame.fds[static_cast<std::size_t>(i)].get();
      if (inode_of(fd) != message.sessions(i).inode()) ++others;
    }
    if (!message.unseen()) {
      EXPECT_EQ(0U, others);
    }
    (message.unseen() ? came_.unseen : came_.seen) += frame.fds.size();
    came_.others += others;
  }

  std::uint32_t channels_;
  std::optional<io::Channel> lane_;
  Came came_;
};

class Donor : public ServiceProcess {
 public:
  explicit Donor(const Loop& loop, std::uint32_t lanes = 1)
      : ServiceProcess(1, [=] { return run_owner(loop, lanes); }) {
    await_message<v1::Owner>(Type::kOwner);
  }
};

struct Lanes {
  std::uint32_t donor = 1;
  std::uint32_t heir = 1;
};
Came first_round(const Loop& loop, bool heir_looks, Lanes lanes = {}) {
  Donor donor(loop, lanes.donor);
  return Heir(donor, heir_looks, lanes.heir, lanes.donor * lanes.heir).first_round();
}

TEST(DonorsLookTest, ADonorWithLittleToDoLooksAtEachSocket) {
  const Came came = first_round({}, true);
  EXPECT_EQ(kSessions, came.seen);
  EXPECT_EQ(0U, came.unseen);
}

TEST(DonorsLookTest, ABusyOneLeavesItToAnHeirThatLooks) {
  const Came came = first_round({.busy = true}, true);
  EXPECT_EQ(kSessions, came.seen + came.unseen);
  EXPECT_LE(came.seen, kInFirstTurn);
  EXPECT_EQ(0U, came.others);
}

TEST(DonorsLookTest, ABusyOneLooksForAnOlderHeir) {
  const Came came = first_round({.busy = true}, false);
  EXPECT_EQ(kSessions, came.seen);
  EXPECT_EQ(0U, came.unseen);
}

// Expects that the donor gives up, and tells the service's author why.
void expect_given_up_by_donor(const Came& came) {
  EXPECT_EQ(v1::IDENTITY, came.abort.code());
  EXPECT_THAT(came.abort.reason(), HasSubstr("session"));
  EXPECT_THAT(came.abort.reason(), HasSubstr("handoff_session_closed()"));
  EXPECT_EQ(0U, came.others);
}

TEST(DonorsLookTest, ASocketThatIsClosedEndsTheHandoff) {
  expect_given_up_by_donor(first_round({.fault = Fault::kClosed}, true));
}

TEST(DonorsLookTest, AlsoIfTheDonorDidNotLook) {
  expect_given_up_by_donor(first_round({.busy = true, .fault = Fault::kClosed}, true));
}

TEST(DonorsLookTest, AnotherSocketInItsPlaceEndsTheHandoff) {
  expect_given_up_by_donor(first_round({.fault = Fault::kReplaced}, true));
}

TEST(DonorsLookTest, WhatABusyDonorDoesNotSeeIsForTheHeirToFind) {
  const Came came = first_round({.busy = true, .fault = Fault::kReplaced}, true);
  EXPECT_EQ(kSessions, came.seen + came.unseen);
  EXPECT_EQ(1U, came.others);
}

TEST(DonorsLookTest, ABusyOneLeavesItToTheHeirOverAllChannels) {
  const Came came = first_round({.busy = true}, true, {.heir = 2});
  EXPECT_EQ(kSessions, came.seen + came.unseen);
  EXPECT_LE(came.seen, 2 * kInFirstTurn);
  EXPECT_LT(0U, came.unseen);
  EXPECT_EQ(0U, came.others);
}

TEST(DonorsLookTest, SoDoesEachLane) {
  const Came came = first_round({.busy = true}, true, {.donor = 2});
  EXPECT_EQ(2 * kSessions, came.seen + came.unseen);
  EXPECT_LE(came.seen, 2 * kInFirstTurn);
  EXPECT_EQ(0U, came.others);
}

// Several channels to fill, or several events at once, must not hold up a loop that serves clients.
TEST(DonorsLookTest, AnIdleLoopSendsTwoFramesAChannelInATurn) {
  constexpr std::size_t kMany = 4000;
  const Came one = first_round({.sessions = kMany, .most_in_a_turn = kInFirstTurn}, true);
  EXPECT_EQ(kMany, one.seen + one.unseen);
  const Came channels =
      first_round({.sessions = kMany, .most_in_a_turn = 2 * kInFirstTurn}, true, {.heir = 2});
  EXPECT_EQ(kMany, channels.seen + channels.unseen);
  const Came lanes =
      first_round({.sessions = kMany, .most_in_a_turn = kInFirstTurn}, true, {.donor = 2});
  EXPECT_EQ(2 * kMany, lanes.seen + lanes.unseen);
}

// In the freeze everybody waits for the heir, so the donor looks, even if its loop is busy.
TEST(DonorsLookTest, InTheFreezeABusyOneLooksToo) {
  Donor donor({.busy = true, .opens = true});
  Heir heir(donor, true, 1, 1);
  EXPECT_EQ(kSessions, [&] {
    const Came came = heir.first_round();
    return came.seen + came.unseen;
  }());
  const Came came = heir.delta();
  EXPECT_EQ(1U, came.seen);
  EXPECT_EQ(0U, came.unseen);
}

// ---- a real heir, and a donor that is the test

class HeirsLookTest : public ::testing::Test {
 protected:
  HeirsLookTest() : donor_([] { return run_line_service({.version = "2"}); }) {
    donor_.open_connections(4);
    donor_.send_hello();
    donor_.send_listeners();
  }
  void send_unseen(const std::vector<int>& fds) {
    v1::Sessions message = donor_.sessions(false);
    message.set_unseen(true);
    send(donor_.channel(), Type::kSessions, message, fds);
  }

  RawDonor donor_;
};

TEST_F(HeirsLookTest, LooksAtEachSocketThatTheDonorHasNotSeen) {
  std::vector<int> fds = donor_.session_fds();
  std::swap(fds[1], fds[2]);  // not at the ends, at which an heir always looks
  send_unseen(fds);
  expect_given_up(donor_, v1::IDENTITY);
}

TEST_F(HeirsLookTest, TakesThemIfAllIsWell) {
  send_unseen(donor_.session_fds());
  expect_taken(donor_);
}

}  // namespace
}  // namespace handoff::test
