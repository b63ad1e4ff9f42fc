// A real heir, and a donor that breaks the protocol at every step: the heir tells it why, and
// exits.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "line_service.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;

int run_heir() { return run_line_service({.version = "2"}); }

// A message that a donor must not send, and the step at which it does.
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
  EXPECT_TRUE(donor.process().running());
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

void prepare_with(RawDonor& donor, const std::vector<int>& fds) {
  to_copied(donor);
  send(donor.channel(), Type::kPrepare, donor.prepare(), fds);
}
UniqueFd memory(std::size_t size, int seals) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(0, ::ftruncate(fd.get(), static_cast<off_t>(size)));
  EXPECT_EQ(0, ::fcntl(fd.get(), F_ADD_SEALS, seals | F_SEAL_SEAL));
  return fd;
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
              send(d.channel(), Type::kPrepare, prepare, {d.word()});
            }},
        Bad{"PrepareWithAWrongChecksum", v1::PROTOCOL,
            [](RawDonor& d) {
              to_copied(d);
              auto prepare = d.prepare();
              prepare.set_checksum(prepare.checksum() + 1);
              send(d.channel(), Type::kPrepare, prepare, {d.word()});
            }},
        Bad{"PrepareWithoutTheDeed", v1::PROTOCOL, [](RawDonor& d) { prepare_with(d, {}); }},
        Bad{"PrepareWithTwoDeeds", v1::PROTOCOL,
            [](RawDonor& d) {
              prepare_with(d, {d.word(), d.word()});
            }},
        Bad{"PrepareWithAnFdThatIsNoDeed", v1::PROTOCOL,
            [](RawDonor& d) { prepare_with(d, {d.listener()}); }},
        Bad{"PrepareWithADeedThatCanShrink", v1::PROTOCOL,
            [](RawDonor& d) { prepare_with(d, {memory(4096, F_SEAL_GROW).get()}); }},
        Bad{"PrepareWithADeedThatIsTooSmall", v1::PROTOCOL,
            [](RawDonor& d) { prepare_with(d, {memory(8, F_SEAL_SHRINK | F_SEAL_GROW).get()}); }},
        Bad{"PrepareWithADeedThatCantBeTaken", v1::PROTOCOL,
            [](RawDonor& d) {
              prepare_with(d, {memory(4096, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE).get()});
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
