// A real donor, and an heir that breaks the protocol or is silent, at every step: the donor tells
// it why, and serves on with the same fds as before.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "donor_fixture.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// A fault of an heir, and the step at which it happens.
struct Bad {
  const char* name;
  v1::Code code;
  bool told;  // the donor says Abort first
  std::function<void(RawHeir&)> act;
  Terms terms = {};
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadHeirTest : public DonorFaultsTest, public ::testing::WithParamInterface<Bad> {};

TEST_P(BadHeirTest, LeavesTheDonorAsItWas) {
  start();
  RawHeir heir(*donor_, GetParam().terms);
  GetParam().act(heir);
  if (GetParam().told) {
    const Frame frame = heir.await(Type::kAbort);
    ASSERT_FALSE(frame.closed);
    v1::Abort abort;
    ASSERT_TRUE(abort.ParseFromString(frame.body));
    EXPECT_EQ(GetParam().code, abort.code()) << abort.reason();
  }
  expect_serving_on(GetParam().code);
}

void die(RawHeir& heir) {
  heir.close_channel();
  heir.process().kill();
}
void abort_it(RawHeir& heir) {
  v1::Abort abort;
  abort.set_code(v1::REJECTED);
  abort.set_reason("no");
  send(heir.channel(), Type::kAbort, abort);
}
void raw(RawHeir& heir, const std::string& bytes) {
  ASSERT_EQ(static_cast<ssize_t>(bytes.size()),
            ::send(heir.channel().fd(), bytes.data(), bytes.size(), 0));
}

const Bad kBad[] = {
    {"DiesAtOnce", v1::PEER_DIED, false, die},
    {"DiesAfterHello", v1::PEER_DIED, false,
     [](RawHeir& h) {
       h.send_hello();
       die(h);
     }},
    {"DiesInsteadOfCopied", v1::PEER_DIED, false,
     [](RawHeir& h) {
       h.reach_copy_end();
       die(h);
     }},
    {"DiesInsteadOfPrepared", v1::PEER_DIED, false,
     [](RawHeir& h) {
       h.reach_prepare();
       die(h);
     }},
    {"NeverSaysHello", v1::TIMEOUT, true, [](RawHeir&) {}, {.stall_us = 50'000}},
    {"NeverSaysCopied",
     v1::TIMEOUT,
     true,
     [](RawHeir& h) { h.reach_copy_end(); },
     {.stall_us = 300'000}},
    {"NeverSaysPrepared",
     v1::TIMEOUT,
     true,
     [](RawHeir& h) { h.reach_prepare(); },
     {.budget_us = 50'000}},
    {"AbortsAtOnce", v1::REJECTED, false, abort_it},
    {"AbortsInsteadOfCopied", v1::REJECTED, false,
     [](RawHeir& h) {
       h.reach_copy_end();
       abort_it(h);
     }},
    {"AbortsInsteadOfPrepared", v1::REJECTED, false,
     [](RawHeir& h) {
       h.reach_prepare();
       abort_it(h);
     }},
    {"AbortsAfterRelease", v1::REJECTED, false,
     [](RawHeir& h) {
       h.reach_release();
       abort_it(h);
     }},
    {"Garbage", v1::PROTOCOL, true, [](RawHeir& h) { raw(h, "garbage, garbage"); }},
    {"GarbageInTheFreeze", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.reach_prepare();
       raw(h, "garbage, garbage");
     }},
    {"GarbageAfterRelease", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.reach_release();
       raw(h, "garbage, garbage");
     }},
    {"UnknownProtocolVersion", v1::VERSION, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.set_protocol_min(7);
       hello.set_protocol_max(9);
       h.send_hello(hello);
     }},
    {"DoesNotClaimTheListener", v1::UNCLAIMED, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.mutable_manifest()->clear_named();
       h.send_hello(hello);
     }},
    {"DoesNotKnowTheKind", v1::UNCLAIMED, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.mutable_manifest()->clear_kinds();
       h.send_hello(hello);
     }},
    {"ReadsNoVersionInCommon", v1::VERSION, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.mutable_manifest()->mutable_kinds(0)->set_reads(0, 4);
       h.send_hello(hello);
     }},
    {"IsAnotherService", v1::UNCLAIMED, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.mutable_manifest()->set_service("mail");
       h.send_hello(hello);
     }},
    {"MayOpenTooFewFds", v1::RESOURCES, true,
     [](RawHeir& h) {
       auto hello = h.hello();
       hello.set_fds_max(20);
       h.send_hello(hello);
     }},
    {"UnknownMessage", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.send_hello();
       send_raw(h.channel(), static_cast<Type>(77), "");
     }},
    {"MessageForAnHeir", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.send_hello();
       send_raw(h.channel(), Type::kRelease, "");
     }},
    {"SendsAnFd", v1::PROTOCOL, true,
     [](RawHeir& h) { send(h.channel(), Type::kHello, h.hello(), {h.channel().fd()}); }},
    {"AcknowledgesTheFuture", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.send_hello();
       v1::Ack ack;
       ack.set_frames(1000);
       send(h.channel(), Type::kAck, ack);
     }},
    {"CopiedOfAnotherCount", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.reach_copy_end();
       v1::Copied copied;
       copied.set_round(1);
       copied.set_sessions(77);
       send(h.channel(), Type::kCopied, copied);
     }},
    {"PreparedBeforePrepare", v1::PROTOCOL, true,
     [](RawHeir& h) {
       h.reach_copy_end();
       h.send_prepared();
     }},
    {"ResumedWithoutTheDeed", v1::PROTOCOL, true, [](RawHeir& h) {
       h.reach_prepare();
       send_raw(h.channel(), Type::kResumed, "");
     }}};

INSTANTIATE_TEST_SUITE_P(Bad, BadHeirTest, ::testing::ValuesIn(kBad),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace handoff::test
