// A real heir, and a donor that dies, hangs, or says what it must not, at every step: the donor's
// half of the fault table in PROTOCOL.md.
#include <sys/socket.h>
#include <sys/wait.h>

#include "line_service.h"
#include "raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;

int run_heir() { return run_line_service({.version = "2"}); }

void expect_line(Connection& connection, const std::string& line) {
  ASSERT_EQ(1, ::send(connection.client.get(), "\n", 1, MSG_NOSIGNAL));
  EXPECT_EQ(line, next_line(connection.client.get()));
}

// The heir gave up: an Abort with this code, Failed to the supervisor, exit status 3.
void expect_given_up(RawDonor& donor, v1::Code code, bool told = true) {
  if (told) {
    const Frame frame = donor.next();
    ASSERT_EQ(Type::kAbort, frame.type);
    v1::Abort abort;
    ASSERT_TRUE(abort.ParseFromString(frame.body));
    EXPECT_EQ(code, abort.code()) << abort.reason();
    EXPECT_FALSE(abort.reason().empty());
  }
  const auto failed = donor.heir().await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(code, failed.code()) << failed.reason();
  const int status = donor.heir().wait();
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(3, WEXITSTATUS(status));
}

TEST(HeirFaultsTest, ResumesBeforeItReads) {
  RawDonor donor(run_heir);
  donor.open_connections(2);
  ASSERT_EQ(1, ::send(donor.connection(0).client.get(), "\n", 1, 0));  // waits in the socket
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_FALSE(owner.donor_died());
  EXPECT_EQ("6 \n", next_line(donor.connection(0).client.get()));
  expect_line(donor.connection(1), "6 \n");
}

TEST(HeirFaultsTest, TakesOverFromADonorThatDiedAfterPrepare) {
  RawDonor donor(run_heir);
  donor.open_connections(2);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
  expect_line(donor.connection(1), "6 \n");
}

// The last messages are still in the channel when the donor has gone: they count.
TEST(HeirFaultsTest, ReadsTheChannelToItsEndBeforeItConcludes) {
  RawDonor donor(run_heir);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  v1::CopyEnd end;
  end.set_round(1);
  end.set_sessions(1);
  donor.heir().signal(SIGSTOP);
  send(donor.channel(), Type::kCopyEnd, end);
  send(donor.channel(), Type::kPrepare, donor.prepare());
  donor.die();
  donor.heir().signal(SIGCONT);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(0U, owner.lost());
  expect_line(donor.connection(0), "6 \n");
}

TEST(HeirFaultsTest, EndsADonorWhoseChannelClosedAfterPrepareBeforeItTakesOver) {
  RawDonor donor(run_heir);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  donor.channel() = io::Channel(UniqueFd());
  EXPECT_TRUE(donor.process().wait_killed());
  donor.close_sockets();
  EXPECT_TRUE(donor.heir().await_message<v1::Owner>(Type::kOwner).donor_died());
  expect_line(donor.connection(0), "6 \n");
}

TEST(HeirFaultsTest, EndsADonorThatHangsAfterPrepareBeforeItTakesOver) {
  RawDonor donor(run_heir, 10'000'000, 50'000);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  EXPECT_TRUE(donor.process().wait_killed());
  donor.close_sockets();
  donor.channel() = io::Channel(UniqueFd());
  EXPECT_TRUE(donor.heir().await_message<v1::Owner>(Type::kOwner).donor_died());
  expect_line(donor.connection(0), "6 \n");
}

TEST(HeirFaultsTest, GoesWhenTheDonorAbortsAfterPrepare) {
  RawDonor donor(run_heir);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  v1::Abort abort;
  abort.set_code(v1::TIMEOUT);
  abort.set_reason("the budget ran out");
  send(donor.channel(), Type::kAbort, abort);
  donor.channel() = io::Channel(UniqueFd());
  expect_given_up(donor, v1::TIMEOUT, false);
  EXPECT_TRUE(donor.process().alive());
  // Nothing happened to the socket: the donor goes on with it.
  ASSERT_EQ(1, ::send(donor.connection(0).server.get(), "\n", 1, 0));
  EXPECT_EQ("\n", next_line(donor.connection(0).client.get()));
}

TEST(HeirFaultsTest, GivesUpOnADonorThatHangsInMidCopyAndLeavesItAlone) {
  RawDonor donor(run_heir, 50'000);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  expect_given_up(donor, v1::TIMEOUT);
  EXPECT_TRUE(donor.process().alive());
  ASSERT_EQ(1, ::send(donor.connection(0).server.get(), "\n", 1, 0));
  EXPECT_EQ("\n", next_line(donor.connection(0).client.get()));
}

TEST(HeirFaultsTest, GoesWhenTheDonorDiesBeforeHello) {
  RawDonor donor(run_heir);
  donor.die();
  expect_given_up(donor, v1::PEER_DIED, false);
}

TEST(HeirFaultsTest, GoesWhenTheDonorDiesBeforeItsListeners) {
  RawDonor donor(run_heir);
  donor.send_hello();
  donor.die();
  expect_given_up(donor, v1::PEER_DIED, false);
}

// A crash of the service in mid-copy. Three independent sessions: one has not moved, one was read
// from and one written to since the snapshot.
TEST(HeirFaultsTest, KeepsIndependentSessionsThatHaveNotMovedAndResetsTheOthers) {
  RawDonor donor(run_heir);
  donor.open_connections(3);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(true);
  char byte = 0;
  ASSERT_EQ(1, ::send(donor.connection(1).client.get(), "x", 1, 0));
  ASSERT_TRUE(readable(donor.connection(1).server.get()));
  ASSERT_EQ(1, ::recv(donor.connection(1).server.get(), &byte, 1, 0));
  ASSERT_EQ(1, ::send(donor.connection(2).server.get(), "y", 1, 0));
  ASSERT_TRUE(readable(donor.connection(2).client.get()));
  ASSERT_EQ(1, ::recv(donor.connection(2).client.get(), &byte, 1, 0));
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(2U, owner.lost());
  ASSERT_EQ(2, owner.lost_ids_size());
  EXPECT_EQ(203U, owner.lost_ids(0) + owner.lost_ids(1));
  expect_line(donor.connection(0), "6 \n");
  EXPECT_EQ("RESET", next_line(donor.connection(1).client.get()));
  EXPECT_EQ("RESET", next_line(donor.connection(2).client.get()));
}

TEST(HeirFaultsTest, NeverServesSharedStateThatMayBeStale) {
  RawDonor donor(run_heir);
  donor.open_connections(2);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.die();
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0U, owner.sessions());
  EXPECT_EQ(2U, owner.lost());
  EXPECT_EQ("RESET", next_line(donor.connection(0).client.get()));
  EXPECT_EQ("RESET", next_line(donor.connection(1).client.get()));
}

// An Abort that is only found after the silent donor was ended: it may have served again since.
TEST(HeirFaultsTest, TakesADonorThatAbortedAndWasEndedForACrash) {
  RawDonor donor(run_heir, 10'000'000, 50'000);
  donor.open_connections(1);
  donor.send_hello();
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  donor.heir().signal(SIGSTOP);
  v1::Abort abort;
  send(donor.channel(), Type::kAbort, abort);
  donor.die();
  donor.heir().signal(SIGCONT);
  // It reads the Abort before or after it sees the exit; either way nothing stale is served.
  const Frame frame = donor.heir().await(Type::kOwner);
  if (!frame.closed) {
    v1::Owner owner;
    ASSERT_TRUE(owner.ParseFromString(frame.body));
    EXPECT_EQ(0U, owner.sessions());
  }
  const std::string end = next_line(donor.connection(0).client.get());
  EXPECT_TRUE(end == "RESET" || end == "EOF") << end;
}

// What a donor must not send, by the step at which it does.
struct Bad {
  const char* name;
  v1::Code code;
  std::function<void(RawDonor&)> act;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadDonorTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadDonorTest, IsToldWhyAndTheHeirGoes) {
  RawDonor donor(run_heir);
  donor.open_connections(2);
  GetParam().act(donor);
  expect_given_up(donor, GetParam().code);
  EXPECT_TRUE(donor.process().alive());
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(1, ::send(donor.connection(i).server.get(), "\n", 1, 0));
    EXPECT_EQ("\n", next_line(donor.connection(i).client.get()));
  }
}

void raw(RawDonor& donor, const std::string& bytes, const std::vector<int>& = {}) {
  ASSERT_EQ(static_cast<ssize_t>(bytes.size()),
            ::send(donor.channel().fd(), bytes.data(), bytes.size(), 0));
}
std::string header(int type, std::uint32_t fds, std::uint32_t body) {
  const auto bytes =
      protocol::encode_header({.type = static_cast<Type>(type), .fds = fds, .body = body});
  return {bytes.begin(), bytes.end()};
}
void to_sessions(RawDonor& donor) {
  donor.send_hello();
  donor.send_listeners();
}
void to_copied(RawDonor& donor) {
  to_sessions(donor);
  donor.send_sessions(false);
  donor.send_copy_end();
}
void sessions_with(RawDonor& donor, const std::function<void(v1::Sessions&)>& change,
                   std::vector<int> fds) {
  to_sessions(donor);
  v1::Sessions message = donor.sessions(false);
  change(message);
  send(donor.channel(), Type::kSessions, message, fds);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, BadDonorTest,
    ::testing::Values(
        Bad{"Garbage", v1::PROTOCOL, [](RawDonor& d) { raw(d, "GET / HTTP/1.1\r\n\r\n"); }},
        Bad{"ShorterThanAHeader", v1::PROTOCOL, [](RawDonor& d) { raw(d, "HF"); }},
        Bad{"Truncated", v1::PROTOCOL, [](RawDonor& d) { raw(d, header(1, 0, 100) + "abc"); }},
        Bad{"LongerThanAnnounced", v1::PROTOCOL, [](RawDonor& d) { raw(d, header(1, 0, 1) + "abc"); }},
        Bad{"Oversized", v1::PROTOCOL,
            [](RawDonor& d) {
              const int size = 1 << 20;
              ::setsockopt(d.channel().fd(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
              raw(d, header(1, 0, 300'000) + std::string(300'000, 'x'));
            }},
        Bad{"MissingFds", v1::PROTOCOL, [](RawDonor& d) { raw(d, header(16, 1, 0)); }},
        Bad{"BodyThatDoesNotParse", v1::PROTOCOL,
            [](RawDonor& d) { send_raw(d.channel(), Type::kHello, "\x0a\xff\xff\xff\xff\x0f"); }},
        Bad{"UnknownType", v1::PROTOCOL,
            [](RawDonor& d) {
              d.send_hello();
              send_raw(d.channel(), static_cast<Type>(77), "");
            }},
        Bad{"ListenersBeforeHello", v1::PROTOCOL, [](RawDonor& d) { d.send_listeners(); }},
        Bad{"SecondHello", v1::PROTOCOL,
            [](RawDonor& d) {
              d.send_hello();
              send(d.channel(), Type::kHello, d.hello());
            }},
        Bad{"AnotherHandoff", v1::PROTOCOL,
            [](RawDonor& d) {
              auto hello = d.hello();
              hello.set_handoff_id(2);
              send(d.channel(), Type::kHello, hello);
            }},
        Bad{"UnknownProtocolVersion", v1::VERSION,
            [](RawDonor& d) {
              auto hello = d.hello();
              hello.set_protocol_min(7);
              hello.set_protocol_max(9);
              send(d.channel(), Type::kHello, hello);
            }},
        Bad{"NoStateVersionInCommon", v1::VERSION,
            [](RawDonor& d) {
              auto hello = d.hello();
              hello.mutable_manifest()->mutable_kinds(0)->set_writes(0, 9);
              send(d.channel(), Type::kHello, hello);
            }},
        Bad{"UnclaimedListener", v1::UNCLAIMED,
            [](RawDonor& d) {
              auto hello = d.hello();
              hello.mutable_manifest()->add_named()->set_name("admin");
              send(d.channel(), Type::kHello, hello);
            }},
        Bad{"UnclaimedSection", v1::UNCLAIMED,
            [](RawDonor& d) {
              auto hello = d.hello();
              auto& kind = *hello.mutable_manifest()->add_kinds();
              kind.set_name("data");
              kind.set_section(true);
              kind.add_writes(1);
              send(d.channel(), Type::kHello, hello);
            }},
        Bad{"AnotherListenerThanAnnounced", v1::IDENTITY,
            [](RawDonor& d) {
              d.send_hello();
              send(d.channel(), Type::kListeners, d.listeners(), {d.connection(0).server.get()});
            }},
        Bad{"ListenerThatWasNotAnnounced", v1::UNCLAIMED,
            [](RawDonor& d) {
              d.send_hello();
              auto listeners = d.listeners();
              listeners.mutable_named(0)->set_name("admin");
              send(d.channel(), Type::kListeners, listeners, {d.listener()});
            }},
        Bad{"TooManyFdsWithListeners", v1::PROTOCOL,
            [](RawDonor& d) {
              d.send_hello();
              send(d.channel(), Type::kListeners, d.listeners(), {d.listener(), d.listener()});
            }},
        Bad{"SessionsBeforeListeners", v1::PROTOCOL,
            [](RawDonor& d) {
              d.send_hello();
              d.send_sessions(false);
              v1::CopyEnd end;
              end.set_round(1);
              end.set_sessions(2);
              send(d.channel(), Type::kCopyEnd, end);
            }},
        Bad{"TooFewSessionFds", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto&) {}, {d.connection(0).server.get()});
            }},
        Bad{"TooManySessionFds", v1::PROTOCOL,
            [](RawDonor& d) {
              auto fds = d.session_fds();
              fds.push_back(d.listener());
              sessions_with(d, [](auto&) {}, fds);
            }},
        Bad{"SwappedSessionFds", v1::IDENTITY,
            [](RawDonor& d) {
              sessions_with(d, [](auto&) {},
                            {d.connection(1).server.get(), d.connection(0).server.get()});
            }},
        Bad{"TheSameSessionTwice", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto& m) { m.mutable_sessions(1)->set_id(100); }, d.session_fds());
            }},
        Bad{"SessionWithoutAnId", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto& m) { m.mutable_sessions(1)->set_id(0); }, d.session_fds());
            }},
        Bad{"SessionOfAnUnknownKind", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto& m) { m.mutable_sessions(0)->set_kind(3); }, d.session_fds());
            }},
        Bad{"ChangeOfASessionThatNeverCame", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto& m) { m.mutable_sessions(0)->set_has_fd(false); },
                            {d.connection(1).server.get()});
            }},
        Bad{"CloseOfASessionThatNeverCame", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(d, [](auto& m) { m.add_closed(555); }, d.session_fds());
            }},
        Bad{"BlobThatIsNoMemfd", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(
                  d,
                  [](auto& m) {
                    m.mutable_sessions(1)->clear_state();
                    m.mutable_sessions(1)->mutable_blob()->set_state_length(10);
                  },
                  {d.connection(0).server.get(), d.connection(1).server.get(), d.listener()});
            }},
        Bad{"BlobOfEnormousLength", v1::PROTOCOL,
            [](RawDonor& d) {
              sessions_with(
                  d,
                  [](auto& m) {
                    m.mutable_sessions(1)->mutable_blob()->set_state_length(~std::uint64_t{0});
                  },
                  {d.connection(0).server.get(), d.connection(1).server.get(), d.listener()});
            }},
        Bad{"RingThatIsNotSealed", v1::PROTOCOL,
            [](RawDonor& d) {
              to_sessions(d);
              v1::Ring ring;
              ring.set_slots(8);
              ring.set_slot_size(4096);
              send(d.channel(), Type::kRing, ring, {d.listener()});
            }},
        Bad{"ChunkWithoutARing", v1::PROTOCOL,
            [](RawDonor& d) {
              to_sessions(d);
              v1::SectionChunk chunk;
              chunk.set_length(5);
              send(d.channel(), Type::kSectionChunk, chunk);
            }},
        Bad{"CopyEndWithAnotherCount", v1::PROTOCOL,
            [](RawDonor& d) {
              to_sessions(d);
              d.send_sessions(false);
              v1::CopyEnd end;
              end.set_round(1);
              end.set_sessions(3);
              send(d.channel(), Type::kCopyEnd, end);
            }},
        Bad{"PrepareWithAnotherCount", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              auto prepare = d.prepare();
              prepare.set_sessions(1);
              send(d.channel(), Type::kPrepare, prepare);
            }},
        Bad{"PrepareWithAWrongChecksum", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              auto prepare = d.prepare();
              prepare.set_checksum(prepare.checksum() + 1);
              send(d.channel(), Type::kPrepare, prepare);
            }},
        Bad{"ReleaseBeforePrepare", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              send_raw(d.channel(), Type::kRelease, "");
            }},
        Bad{"SessionsAfterPrepare", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              d.send_prepare();
              v1::Sessions closed;
              closed.add_closed(100);
              send(d.channel(), Type::kSessions, closed);
            }},
        Bad{"MessageForADonor", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              send_raw(d.channel(), Type::kResumed, "");
            }},
        Bad{"FdsWithRelease", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              d.send_prepare();
              send_raw(d.channel(), Type::kRelease, "", {d.listener()});
            }}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace handoff::test
