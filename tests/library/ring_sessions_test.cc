// Sessions with much state go through the ring if the heir can take them there, else in frames. And
// a donor that gives a wrong place is refused.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <set>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/sys/memory.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

constexpr std::size_t kSessions = 100;
constexpr std::size_t kPadding = 20'000;  // a hundred of them are eight slots' worth

// "<lines> <padding>": the line service reads the number; each session has its own padding.
std::string padded(SessionId id, std::uint64_t lines) {
  return std::to_string(lines) + " " + std::string(kPadding, static_cast<char>('a' + id % 26));
}

// ---- a real donor, and an heir that is the test

class RingDonorTest : public ::testing::Test {
 protected:
  RingDonorTest()
      : donor_(
            1,
            [] { return run_line_service({.save = [](SessionId id) { return padded(id, 5); }}); }),
        owner_(donor_.await_message<v1::Owner>(Type::kOwner)) {
    for (std::size_t i = 0; i < kSessions; ++i) {
      clients_.push_back(std::make_unique<LineClient>(owner_.named(0).address()));
      clients_.back()->send("x\n");
      EXPECT_EQ("1 x\n", clients_.back()->line());
    }
  }
  // What comes until the round is over.
  struct Came {
    std::size_t rings = 0;
    std::size_t in_frames = 0;  // sessions
    std::size_t in_slots = 0;
    std::set<std::uint32_t> slots;
  };
  Came first_round(RawHeir& heir) {
    Came came;
    while (true) {
      Frame frame = heir.next();
      if (frame.closed || frame.type == Type::kCopyEnd) return came;
      if (frame.type == Type::kRing) {
        ++came.rings;
        take_ring(frame);
      } else if (frame.type == Type::kSessions) {
        take_sessions(frame, came);
      }
      v1::Ack ack;
      ack.set_frames(heir.channel().frames_received());
      send(heir.channel(), Type::kAck, ack);
    }
  }

  ServiceProcess donor_;
  v1::Owner owner_;
  std::vector<std::unique_ptr<LineClient>> clients_;

 private:
  void take_ring(const Frame& frame) {
    ASSERT_TRUE(ring_.ParseFromString(frame.body));
    ASSERT_EQ(1U, frame.fds.size());
    auto mapped = io::map_ring(frame.fds[0].get(), std::size_t{ring_.slots()} * ring_.slot_size());
    ASSERT_TRUE(mapped) << mapped.error().message;
    memory_ = std::move(*mapped);
  }
  void take_sessions(const Frame& frame, Came& came) {
    v1::Sessions sessions;
    ASSERT_TRUE(sessions.ParseFromString(frame.body));
    if (!sessions.has_in_ring()) {
      came.in_frames += static_cast<std::size_t>(sessions.sessions_size());
      return;
    }
    const v1::InRing place = sessions.in_ring();
    ASSERT_EQ(0, sessions.sessions_size() + sessions.closed_size());
    ASSERT_LT(place.slot(), ring_.slots());
    ASSERT_LE(place.length(), ring_.slot_size());
    const std::string_view bytes(memory_.data() + std::size_t{place.slot()} * ring_.slot_size(),
                                 place.length());
    EXPECT_EQ(place.checksum(), io::checksum(bytes));
    v1::Sessions there;
    ASSERT_TRUE(there.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    EXPECT_EQ(static_cast<std::size_t>(there.sessions_size()), frame.fds.size());
    for (const auto& session : there.sessions())
      EXPECT_EQ(padded(session.id(), 5), session.state());
    came.in_slots += static_cast<std::size_t>(there.sessions_size());
    came.slots.insert(place.slot());
  }

  v1::Ring ring_;
  io::Mapping memory_;
};

TEST_F(RingDonorTest, PutsThemThereForAnHeirThatAskedForIt) {
  RawHeir heir(donor_);
  v1::Hello hello = heir.hello();
  hello.set_ring_sessions(true);
  heir.send_hello(hello);
  const Came came = first_round(heir);
  EXPECT_EQ(1U, came.rings);
  EXPECT_EQ(kSessions, came.in_frames + came.in_slots);
  EXPECT_LE(came.in_frames, protocol::kMaxBody / kPadding) << "the first frame shows that it pays";
  EXPECT_EQ(protocol::kRingSlots, came.slots.size()) << "one after the other";
}

TEST_F(RingDonorTest, SendsThemInFramesToAnOlderHeir) {
  RawHeir heir(donor_);
  heir.send_hello();
  const Came came = first_round(heir);
  EXPECT_EQ(0U, came.rings);
  EXPECT_EQ(kSessions, came.in_frames);
  EXPECT_EQ(0U, came.in_slots);
}

// ---- real processes on both sides

class RingTest : public ::testing::TestWithParam<bool> {};

// Every session's own state arrives, also if the copy needs more slots than the ring has. Changed
// sessions come again.
TEST_P(RingTest, EveryStateArrivesAsItWasSaved) {
  const bool early = GetParam();
  const auto options = [early](const std::string& version) {
    LineServiceOptions out{.version = version, .early_restore = early};
    out.pads_state = padded;
    return out;
  };
  auto owner = std::make_unique<ServiceProcess>(1, [&] { return run_line_service(options("1")); });
  v1::Owner said = owner->await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (std::size_t i = 0; i < kSessions; ++i) {
    clients.push_back(std::make_unique<LineClient>(said.named(0).address()));
  }
  for (std::uint64_t generation = 2; generation < 5; ++generation) {
    for (auto& client : clients) {
      client->send("x\n");
      ASSERT_EQ(std::to_string(generation - 1) + " x\n", client->line());
    }
    auto heir = start_heir(*owner, generation,
                           [&] { return run_line_service(options(std::to_string(generation))); });
    said = heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(kSessions, said.sessions());
    EXPECT_EQ(0U, said.lost());
    owner = std::move(heir);
  }
}

INSTANTIATE_TEST_SUITE_P(RestoredAtOnceOrInTheEnd, RingTest, ::testing::Bool(),
                         [](const auto& early) { return early.param ? "AtOnce" : "InTheEnd"; });

// ---- a real heir, and a donor that says what is not so

struct Lie {
  const char* name;
  // Makes a true message, or the ring, false.
  std::function<void(v1::Sessions& message, char* ring)> tell;
  bool with_ring = true;
};
void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.name; }

constexpr std::uint32_t kSlotSize = 4096;

// A donor that has sent everything before its sessions, and has put these into slot 3 of a ring.
class LyingDonor : public RawDonor {
 public:
  LyingDonor() : RawDonor([] { return run_line_service({.version = "2"}); }) {
    open_connections(2);
    send_hello();
    send_listeners();
    auto made = io::make_ring(std::size_t{8} * kSlotSize);
    EXPECT_TRUE(made);
    memory_ = std::move(*made);
    const std::string bytes = sessions(false).SerializeAsString();
    std::memcpy(ring() + std::size_t{3} * kSlotSize, bytes.data(), bytes.size());
    message.mutable_in_ring()->set_slot(3);
    message.mutable_in_ring()->set_length(static_cast<std::uint32_t>(bytes.size()));
    message.mutable_in_ring()->set_checksum(io::checksum(bytes));
  }
  char* ring() { return memory_.mapping.data(); }
  void send_ring() {
    v1::Ring ring;
    ring.set_slots(8);
    ring.set_slot_size(kSlotSize);
    send(channel(), Type::kRing, ring, {memory_.fd.get()});
  }
  void send_message() { send(channel(), Type::kSessions, message, session_fds()); }

  v1::Sessions message;  // with the place of the sessions

 private:
  io::RingMemory memory_;
};

class LiesAboutTheRingTest : public ::testing::TestWithParam<Lie> {};

TEST_P(LiesAboutTheRingTest, AreToldAndTheHeirGoes) {
  LyingDonor donor;
  if (GetParam().with_ring) donor.send_ring();
  GetParam().tell(donor.message, donor.ring());
  donor.send_message();
  expect_given_up(donor, v1::PROTOCOL);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(1, ::send(donor.connection(i).server.get(), "\n", 1, 0));
    EXPECT_EQ("\n", next_line(donor.connection(i).client.get()));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Lies, LiesAboutTheRingTest,
    ::testing::Values(Lie{"NoRing", [](v1::Sessions&, char*) {}, false},
                      Lie{"NoSuchSlot",
                          [](v1::Sessions& m, char*) { m.mutable_in_ring()->set_slot(8); }},
                      Lie{"LongerThanASlot",
                          [](v1::Sessions& m, char*) { m.mutable_in_ring()->set_length(4097); }},
                      Lie{"OtherBytes", [](v1::Sessions&, char* ring) { ring[3 * 4096] ^= 1; }},
                      Lie{"SomeInTheFrameToo", [](v1::Sessions& m, char*) { m.add_closed(100); }},
                      Lie{"UnseenOutsideOfIt", [](v1::Sessions& m, char*) { m.set_unseen(true); }},
                      Lie{"ThereItSaysThatTheyLieElsewhere",
                          [](v1::Sessions& m, char* ring) {
                            const std::string bytes = m.SerializeAsString();
                            std::memcpy(ring + std::size_t{5} * 4096, bytes.data(), bytes.size());
                            m.mutable_in_ring()->set_slot(5);
                            m.mutable_in_ring()->set_length(
                                static_cast<std::uint32_t>(bytes.size()));
                            m.mutable_in_ring()->set_checksum(io::checksum(bytes));
                          }}),
    [](const auto& lie) { return lie.param.name; });

// Without a lie the heir takes the sessions, so each refusal above comes from its lie.
TEST(TruthAboutTheRingTest, IsTaken) {
  LyingDonor donor;
  donor.send_ring();
  donor.send_message();
  expect_taken(donor);
}

}  // namespace
}  // namespace handoff::test
