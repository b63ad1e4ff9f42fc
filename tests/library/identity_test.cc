// Who looks at a session's socket before it is served elsewhere (I6): the donor, at each; or, if
// its loop is busy and the heir knows how, the heir.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <set>

#include "io/process.h"
#include "line_service.h"
#include "protocol/limits.h"
#include "raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// ---- a real donor, and an heir that is the test

constexpr std::size_t kSessions = 1100;  // more than four frames
// What the first turn takes at most: it can't know yet whether the loop is busy.
constexpr std::size_t kInFirstTurn = 2 * protocol::kMaxFds;

enum class Fault : std::uint8_t { kNone, kClosed, kReplaced };
struct Loop {
  bool busy = false;
  Fault fault = Fault::kNone;
};

// A service on poll(2), whose sessions are socket pairs of its own. Busy: each turn of its loop
// takes longer than any copy's. The fault befalls, after the copy's first turn, the socket of a
// session that was not in it.
class Owner {
 public:
  explicit Owner(const Loop& loop) : loop_(loop) {
    (void)io::raise_fd_limit();
    service_ = Service::open({.name = "test", .version = "1"});
    service_->on_save([this](SessionId id) {
      saved_.insert(id);
      return Saved(std::string("5"));
    });
    service_->on_restore([](Adopted) {});
    service_->on_retired([this](std::uint64_t) { done_ = true; });
    service_->on_stop([this](std::uint64_t) { done_ = true; });
  }

  int run() {
    service_->ready();
    for (std::size_t i = 0; i < kSessions; ++i) {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return 1;
      sockets_[service_->session_open(ends[0], HANDOFF_SESSION_TRACKED)] = ends[0];
    }
    while (!done_) {
      pollfd fd{service_->fd(), POLLIN, 0};
      if (::poll(&fd, 1, -1) < 0) return 1;
      if (loop_.busy) work();
      service_->dispatch();
      if (!saved_.empty()) befall();
    }
    return 0;
  }

 private:
  static void work() {
    const std::uint64_t until = io::thread_time_ns() + 50'000'000;
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
      if (other != socket) ::_exit(1);  // the lowest number that is free
      return;
    }
  }

  Loop loop_;
  std::unique_ptr<Service> service_;
  std::map<SessionId, int> sockets_;
  std::set<SessionId> saved_;
  bool done_ = false;
};

// What comes up to the end of the first round, as an heir takes it.
struct Came {
  std::size_t seen = 0;    // sessions at which the donor has looked
  std::size_t unseen = 0;  // and not
  std::size_t others = 0;  // of these, those that are not the socket announced
  v1::Abort abort;
};

Came first_round(const Loop& loop, bool heir_looks) {
  Child donor(1, [&] { return Owner(loop).run(); });
  donor.await_message<v1::Owner>(Type::kOwner);
  RawHeir heir(donor);
  v1::Hello hello = heir.hello();
  hello.set_looks(heir_looks);
  send(heir.channel(), Type::kHello, hello);
  Came came;
  while (true) {
    const Frame frame = heir.next();
    if (frame.closed || frame.type == Type::kCopyEnd) return came;
    if (frame.type == Type::kAbort) {
      EXPECT_TRUE(came.abort.ParseFromString(frame.body));
      return came;
    }
    if (frame.type == Type::kSessions) {
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
      (message.unseen() ? came.unseen : came.seen) += frame.fds.size();
      came.others += others;
    }
    v1::Ack ack;
    ack.set_frames(heir.channel().frames_received());
    send(heir.channel(), Type::kAck, ack);
  }
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

// The handoff ends, with a word to the service's author.
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
