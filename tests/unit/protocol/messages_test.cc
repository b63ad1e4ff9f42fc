// The library's reading and writing (protozero) against libprotobuf's, on one .proto: each checks
// the other. Then malformed bodies: every truncation, random bytes, numbers that do not fit.
#include "libhandoff/protocol/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "handoff.pb.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {
namespace {

using ::testing::ElementsAre;

template <class Pb>
Pb as_protobuf(const std::string& bytes) {
  Pb message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  // The library writes no field that the specification does not have.
  EXPECT_TRUE(message.GetReflection()->GetUnknownFields(message).empty());
  return message;
}

Manifest sample_manifest() {
  return {.service = "chat",
          .release = "2.0",
          .kinds = {{"session", false, 2, {1, 2}, {2, 1}}, {"data", true, 0, {1}, {1, 300}}},
          .named = {{"public", "tcp:127.0.0.1:7000", 1ULL << 40, 9, 3}, {"log", "", 5, 6, 0}}};
}
void expect_sample(const Manifest& m) {
  EXPECT_EQ("chat", m.service);
  EXPECT_EQ("2.0", m.release);
  ASSERT_EQ(2U, m.kinds.size());
  EXPECT_EQ("session", m.kinds[0].name);
  EXPECT_FALSE(m.kinds[0].section);
  EXPECT_EQ(2U, m.kinds[0].version);
  EXPECT_THAT(m.kinds[0].reads, ElementsAre(1, 2));
  EXPECT_THAT(m.kinds[0].writes, ElementsAre(2, 1));
  EXPECT_TRUE(m.kinds[1].section);
  EXPECT_THAT(m.kinds[1].writes, ElementsAre(1, 300));
  ASSERT_EQ(2U, m.named.size());
  EXPECT_EQ("tcp:127.0.0.1:7000", m.named[0].address);
  EXPECT_EQ(1ULL << 40, m.named[0].inode);
  EXPECT_EQ(9U, m.named[0].device);
  EXPECT_EQ(3U, m.named[0].fd_index);
}

TEST(MessagesTest, HelloGoesBothWays) {
  const Hello hello{.protocol_min = 1,
                    .protocol_max = 2,
                    .handoff_id = 77,
                    .lane = 1,
                    .lanes = 4,
                    .manifest = sample_manifest(),
                    .sessions = 12345678901,
                    .fds_max = 20000,
                    .ring_sessions = true,
                    .looks = true,
                    .room_ns = 16'000'000,
                    .heard_at_ns = 17'000'000};
  const auto pb = as_protobuf<v1::Hello>(encode(hello));
  EXPECT_EQ(16'000'000U, pb.room_ns());
  EXPECT_EQ(17'000'000U, pb.heard_at_ns());
  EXPECT_TRUE(pb.ring_sessions());
  EXPECT_TRUE(pb.looks());
  EXPECT_EQ(2U, pb.protocol_max());
  EXPECT_EQ(12345678901U, pb.sessions());
  EXPECT_EQ("data", pb.manifest().kinds(1).name());
  EXPECT_EQ(300U, pb.manifest().kinds(1).writes(1));
  const auto back = decode<Hello>(pb.SerializeAsString());
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(77U, back->handoff_id);
  EXPECT_EQ(4U, back->lanes);
  EXPECT_EQ(20000U, back->fds_max);
  EXPECT_TRUE(back->ring_sessions);
  EXPECT_TRUE(back->looks);
  EXPECT_EQ(16'000'000U, back->room_ns);
  EXPECT_EQ(17'000'000U, back->heard_at_ns);
  expect_sample(back->manifest);
}

TEST(MessagesTest, SessionsInTheRingGoBothWays) {
  const auto pb = as_protobuf<v1::Sessions>(encode(InRing{7, 226305, 1ULL << 63}));
  EXPECT_EQ(7U, pb.in_ring().slot());
  EXPECT_EQ(226305U, pb.in_ring().length());
  EXPECT_EQ(1ULL << 63, pb.in_ring().checksum());
  const auto back = decode<Sessions>(pb.SerializeAsString());
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_TRUE(back->in_ring);
  EXPECT_EQ(7U, back->in_ring->slot);
  EXPECT_EQ(226305U, back->in_ring->length);
  EXPECT_EQ(1ULL << 63, back->in_ring->checksum);
  EXPECT_TRUE(back->sessions.empty());
}

TEST(MessagesTest, SessionsGoBothWays) {
  std::string body;
  append(body, {.id = 5,
                .kind = 1,
                .flags = 1,
                .has_fd = true,
                .state = "state",
                .input = "in",
                .output = std::string_view("o\0t", 3),
                .layer_flags = 9,
                .inode = 42,
                .counters = Counters{7, 8}});
  append(body, {.id = 6, .blob = Blob{1, 2, 3, 4}});
  append_closed(body, 99);
  append_unseen(body);
  const auto pb = as_protobuf<v1::Sessions>(body);
  ASSERT_EQ(2, pb.sessions_size());
  EXPECT_TRUE(pb.unseen());
  EXPECT_EQ("state", pb.sessions(0).state());
  EXPECT_EQ(8U, pb.sessions(0).counters().written());
  EXPECT_EQ(3U, pb.sessions(1).blob().output_length());
  EXPECT_EQ(99U, pb.closed(0));
  const std::string bytes = pb.SerializeAsString();
  const auto back = decode<Sessions>(bytes);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(2U, back->sessions.size());
  EXPECT_TRUE(back->unseen);
  const Session& s = back->sessions[0];
  EXPECT_EQ(5U, s.id);
  EXPECT_EQ(1U, s.kind);
  EXPECT_EQ(1U, s.flags);
  EXPECT_TRUE(s.has_fd);
  EXPECT_EQ("state", s.state);
  EXPECT_EQ("in", s.input);
  EXPECT_EQ(std::string_view("o\0t", 3), s.output);
  EXPECT_EQ(9U, s.layer_flags);
  EXPECT_EQ(42U, s.inode);
  EXPECT_EQ((Counters{7, 8}), s.counters);
  EXPECT_FALSE(s.blob);
  EXPECT_FALSE(back->in_ring);
  EXPECT_EQ(4U, back->sessions[1].blob->checksum);
  EXPECT_THAT(back->closed, ElementsAre(99));
}

TEST(MessagesTest, ALayerHasALimit) {
  for (const std::size_t more : {std::size_t{0}, std::size_t{1}}) {
    const std::string layer(kMaxLayer + more, 'k');
    std::string body;
    append(body, {.id = 5, .layer = layer});
    const auto back = decode<Sessions>(body);
    ASSERT_EQ(more == 0, back.has_value());
    if (back) {
      EXPECT_EQ(layer, back->sessions[0].layer);
    }
  }
}

TEST(MessagesTest, ListenersGoBothWays) {
  const auto pb = as_protobuf<v1::Listeners>(encode(Listeners{sample_manifest().named, 2}));
  EXPECT_EQ(2U, pb.total());
  const auto back = decode<Listeners>(pb.SerializeAsString());
  ASSERT_TRUE(back);
  EXPECT_EQ("log", back->named[1].name);
}

TEST(MessagesTest, NumbersGoBothWays) {
  EXPECT_EQ(9U, as_protobuf<v1::Ring>(encode(Ring{8, 9})).slot_size());
  EXPECT_EQ(4U, as_protobuf<v1::SectionChunk>(encode(SectionChunk{1, 2, 3, 4})).checksum());
  EXPECT_EQ(2U, as_protobuf<v1::CopyEnd>(encode(CopyEnd{1, 2})).sessions());
  EXPECT_EQ(2U, as_protobuf<v1::Copied>(encode(Copied{1, 2})).sessions());
  EXPECT_EQ(5U, as_protobuf<v1::Prepare>(encode(Prepare{1, 2, 3, 4, 5})).budget_us());
  EXPECT_EQ(3U, as_protobuf<v1::Prepare>(encode(Prepare{1, 2, 3, 4, 5})).checksum());
  EXPECT_EQ(3U, as_protobuf<v1::Lanes>(encode(Lanes{2, 3})).heir());
  EXPECT_EQ(9U, as_protobuf<v1::LanePrepare>(encode(LanePrepare{8, 9})).checksum());
  EXPECT_EQ(6U, as_protobuf<v1::Ack>(encode(Ack{6})).frames());
  EXPECT_EQ(7U, as_protobuf<v1::Prepared>(encode(Prepared{7})).sessions());
  EXPECT_EQ(4U, decode<SectionChunk>(encode(SectionChunk{1, 2, 3, 4}))->checksum);
  EXPECT_EQ(9U, decode<Ring>(encode(Ring{8, 9}))->slot_size);
  EXPECT_EQ(5U, decode<Prepare>(encode(Prepare{1, 2, 3, 4, 5}))->budget_us);
  EXPECT_EQ(2U, decode<Copied>(encode(Copied{1, 2}))->sessions);
  EXPECT_EQ(2U, decode<Lanes>(encode(Lanes{2, 3}))->donor);
  EXPECT_EQ(8U, decode<LanePrepare>(encode(LanePrepare{8, 9}))->sessions);
  EXPECT_EQ(6U, decode<Ack>(encode(Ack{6}))->frames);
  EXPECT_EQ(7U, decode<Prepared>(encode(Prepared{7}))->sessions);
}

TEST(MessagesTest, CodesAreTheSameNumbersAsInTheSpecification) {
  for (int code = v1::Code_MIN; code <= v1::Code_MAX; ++code) {
    const Abort abort{{static_cast<core::Code>(code), "text"}};
    const auto pb = as_protobuf<v1::Abort>(encode(abort));
    EXPECT_EQ(code, pb.code());
    EXPECT_EQ(static_cast<core::Code>(code), decode<Abort>(encode(abort))->reason.code);
  }
  v1::Abort newer;
  newer.set_code(static_cast<v1::Code>(200));
  EXPECT_EQ(core::Code::kUnspecified, decode<Abort>(newer.SerializeAsString())->reason.code);
}

TEST(MessagesTest, ReasonsAreAlwaysTextThatLibprotobufTakes) {
  for (const std::string& text :
       {std::string("\xff\xfe"), std::string("a\0b", 3), std::string("\xc3\xa4 ok"),
        std::string("\xe2\x82"), std::string(5000, '\xc3')}) {
    v1::Failed pb;
    EXPECT_TRUE(pb.ParseFromString(encode(Failed{1, {core::Code::kInternal, text}, 2})));
  }
}

TEST(MessagesTest, ControlMessagesOfAServiceAreReadByLibprotobuf) {
  const auto registered = as_protobuf<v1::Register>(encode(Register{1, 2, 3, sample_manifest()}));
  EXPECT_EQ(3U, registered.generation());
  EXPECT_EQ("session", registered.manifest().kinds(0).name());
  Owner owner;
  owner.generation = 1;
  owner.handoff_id = 2;
  owner.named = sample_manifest().named;
  owner.sessions = 4;
  owner.lost = 5;
  owner.lost_ids = {6, 7};
  owner.frozen_at_ns = 8;
  owner.running_at_ns = 9;
  owner.blackout = {10, 11, 12, 13};
  owner.donor_died = true;
  const auto pb = as_protobuf<v1::Owner>(encode(owner));
  EXPECT_EQ(7U, pb.lost_ids(1));
  EXPECT_EQ(12U, pb.blackout().p999_us());
  EXPECT_TRUE(pb.donor_died());
  EXPECT_EQ("public", pb.named(0).name());
  const auto progress =
      as_protobuf<v1::Progress>(encode(Progress{1, Phase::kSwitch, 3, 4, 5, 6, 7}));
  EXPECT_EQ(v1::PHASE_SWITCH, progress.phase());
  EXPECT_EQ(7U, progress.round());
  const auto failed = as_protobuf<v1::Failed>(encode(Failed{1, {core::Code::kTimeout, "slow"}, 3}));
  EXPECT_EQ(v1::TIMEOUT, failed.code());
  EXPECT_EQ(3U, failed.at_ns());
  const auto retired = as_protobuf<v1::Retired>(encode(Retired{1, 2, 3, 4, 5, 6, true}));
  EXPECT_EQ(6U, retired.lost());
  EXPECT_TRUE(retired.heir_died());
  EXPECT_EQ(3U, as_protobuf<v1::Status>(encode(Status{1, 2, 3})).state());
  const auto health = as_protobuf<v1::Health>(encode(Health{true, "well"}));
  EXPECT_TRUE(health.healthy());
  EXPECT_EQ("well", health.reason());
}

TEST(MessagesTest, WhatStaysWhatLeavesAndWhatWasNotTriedGoBothWays) {
  const Late late{.handoff_id = 1, .waiting = 3, .staying = {{"tls", 2}, {"an upload", 1}}};
  const auto pb = as_protobuf<v1::Late>(encode(late));
  ASSERT_EQ(2, pb.staying_size());
  EXPECT_EQ("tls", pb.staying(0).why());
  EXPECT_EQ(2U, pb.staying(0).sessions());
  const auto read = decode<Late>(pb.SerializeAsString());
  ASSERT_TRUE(read);
  EXPECT_EQ(late.staying, read->staying);
  const auto rehearsed = as_protobuf<v1::Rehearsed>(
      encode(Rehearsed{.handoff_id = 1, .staying = {{"tls", 2}}, .untried = 7}));
  EXPECT_EQ("tls", rehearsed.staying(0).why());
  EXPECT_EQ(7U, rehearsed.untried());
  EXPECT_FALSE(as_protobuf<v1::Status>(encode(Status{1, 2, 3})).has_leaving());
  Status status{1, 2, 3};
  status.leaving = Leaving{"all is done"};
  EXPECT_EQ("all is done", as_protobuf<v1::Status>(encode(status)).leaving().why());
  const auto again = decode<Status>(encode(status));
  ASSERT_TRUE(again && again->leaving);
  EXPECT_EQ("all is done", again->leaving->why);
}

// A message must not grow with what its sender thinks of.
TEST(MessagesTest, MoreReasonsToStayThanAreAllowedAreRefused) {
  Late late;
  late.staying.assign(core::kMaxStaying, {"tls", 1});
  EXPECT_TRUE(decode<Late>(encode(late)));
  late.staying.push_back({"another", 1});
  EXPECT_FALSE(decode<Late>(encode(late)));
}

TEST(MessagesTest, ControlMessagesOfTheSupervisorAreRead) {
  v1::Start start;
  start.set_protocol_min(1);
  start.set_protocol_max(3);
  start.set_service("chat");
  start.set_generation(9);
  start.set_heir(true);
  start.add_listeners()->set_name("public");
  auto& h = *start.mutable_handoff();
  h.set_id(5);
  h.set_channel_index(1);
  h.set_peer_index(2);
  h.set_peer_pid(3);
  h.set_stall_us(4);
  h.set_budget_us(6);
  const auto read = decode<Start>(start.SerializeAsString());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(3U, read->protocol_max);
  EXPECT_EQ("chat", read->service);
  EXPECT_EQ(9U, read->generation);
  EXPECT_TRUE(read->heir);
  EXPECT_EQ("public", read->listeners[0].name);
  EXPECT_EQ(5U, read->handoff->id);
  EXPECT_EQ(2U, read->handoff->peer_index);
  EXPECT_EQ(6U, read->handoff->budget_us);
  v1::Donate donate;
  *donate.mutable_handoff() = h;
  donate.set_heir_generation(10);
  EXPECT_EQ(10U, decode<Donate>(donate.SerializeAsString())->heir_generation);
  EXPECT_EQ(4U, decode<Donate>(donate.SerializeAsString())->handoff.stall_us);
  v1::Stop stop;
  stop.set_deadline_us(8);
  EXPECT_EQ(8U, decode<Stop>(stop.SerializeAsString())->deadline_us);
  v1::Query query;
  query.set_id(8);
  EXPECT_EQ(8U, decode<Query>(query.SerializeAsString())->id);
  v1::Cancel cancel;
  cancel.set_handoff_id(8);
  cancel.set_reason("why");
  EXPECT_EQ("why", decode<Cancel>(cancel.SerializeAsString())->reason);
}

TEST(MessagesTest, FieldsOfANewerPeerAreSkipped) {
  std::string bytes = encode(CopyEnd{1, 2});
  bytes += std::string("\xfa\x01\x03new", 6);   // field 31, bytes
  bytes += std::string("\x9d\x06\1\2\3\4", 6);  // field 99, fixed32
  const auto read = decode<CopyEnd>(bytes);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(2U, read->sessions);
  EXPECT_TRUE(decode<Ack>(std::string("\xfa\x01\x03new", 6)));
}

// Other encoders than the library's may write fields in any order.
TEST(MessagesTest, FieldsMayComeInAnyOrderAndTheLastOneCounts) {
  const auto backwards = decode<Ring>("\x10\x09\xf8\x01\x05\x08\x08");  // 31 between 2 and 1
  ASSERT_TRUE(backwards) << backwards.error().message;
  EXPECT_EQ(8U, backwards->slots);
  EXPECT_EQ(9U, backwards->slot_size);
  const auto twice = decode<Ring>("\x08\x01\x10\x09\x08\x02");
  ASSERT_TRUE(twice) << twice.error().message;
  EXPECT_EQ(2U, twice->slots);
  EXPECT_EQ(9U, twice->slot_size);
  // Sessions{id 5, id 6} around closed: a list goes on where it was left.
  const auto mixed = decode<Sessions>("\x0a\x02\x08\x05\x10\x07\x0a\x02\x08\x06\x12\x02\x08\x09");
  ASSERT_TRUE(mixed) << mixed.error().message;
  ASSERT_EQ(2U, mixed->sessions.size());
  EXPECT_EQ(6U, mixed->sessions[1].id);
  EXPECT_THAT(mixed->closed, ElementsAre(7, 8, 9));
}

// A message that comes twice is read anew: nothing of the first one stays in the second.
TEST(MessagesTest, OfAMessageThatComesTwiceTheLastOneCounts) {
  const auto twice = decode<Donate>("\x0a\x04\x08\x05\x10\x01\x0a\x02\x08\x06");
  ASSERT_TRUE(twice) << twice.error().message;
  EXPECT_EQ(6U, twice->handoff.id);
  EXPECT_EQ(0U, twice->handoff.channel_index);
}

TEST(MessagesTest, WhatIsWrongIsSaidWithItsPlace) {
  const auto wrong = [](const auto& result) { return result ? "" : result.error().message; };
  EXPECT_EQ("malformed Sessions: malformed Session: without an id",
            wrong(decode<Sessions>(std::string("\x0a\x02\x10\x05", 4))));
  EXPECT_EQ(
      "malformed Sessions: malformed Session: malformed Blob: over the limit",
      wrong(decode<Sessions>(std::string("\x0a\x0a\x08\x05\x5a\x06\x08\x81\x80\x80\x80\x10", 12))));
  EXPECT_EQ("malformed Donate: malformed Handoff: a number is out of range",
            wrong(decode<Donate>("\x0a\x06\x10\x80\x80\x80\x80\x10")));
  EXPECT_EQ("malformed Hello: malformed Manifest: malformed Kind: a number is out of range",
            wrong(decode<Hello>("\x32\x09\x1a\x07\x22\x05\x81\x80\x80\x80\x10")));
  EXPECT_EQ("malformed Start: the service's name is too long",
            wrong(decode<Start>("\x1a\x41" + std::string(65, 'x'))));
  EXPECT_EQ("malformed Ring: end of buffer exception", wrong(decode<Ring>("\x08")));
}

// An empty message means something by being there: a Start with a Handoff is for an heir.
TEST(MessagesTest, AnEmptyMessageWithinAnotherIsWritten) {
  Start start;
  start.handoff.emplace();
  const auto pb = as_protobuf<v1::Start>(encode(start));
  EXPECT_TRUE(pb.has_handoff());
  EXPECT_EQ(pb.SerializeAsString(), encode(start));
}

TEST(MessagesTest, WhatIsOverALimitIsRefused) {
  v1::Hello hello;
  hello.mutable_manifest()->set_service(std::string(65, 'x'));
  EXPECT_FALSE(decode<Hello>(hello.SerializeAsString()));
  hello.Clear();
  for (std::size_t i = 0; i <= kMaxKinds; ++i) hello.mutable_manifest()->add_kinds();
  EXPECT_FALSE(decode<Hello>(hello.SerializeAsString()));
  hello.Clear();
  for (std::size_t i = 0; i <= kMaxNamed; ++i) hello.mutable_manifest()->add_named();
  EXPECT_FALSE(decode<Hello>(hello.SerializeAsString()));
  // 2^32 in a 32-bit field: not cut to 0.
  EXPECT_FALSE(decode<CopyEnd>(std::string("\x08\x80\x80\x80\x80\x10", 6)));
}

// protozero's get_bool() looks at the first byte alone, even where the body has ended.
TEST(MessagesTest, AFlagIsReadAsLibprotobufReadsIt) {
  for (const auto& [varint, expected] :
       std::vector<std::pair<std::string, bool>>{{std::string("\0", 1), false},
                                                 {"\x01", true},
                                                 {"\x02", true},
                                                 {std::string("\x80\0", 2), false},
                                                 {"\x80\x01", true},
                                                 {std::string("\x80\x80\0", 3), false}}) {
    v1::Start pb;
    ASSERT_TRUE(pb.ParseFromString("\x28" + varint));
    EXPECT_EQ(expected, pb.heir());
    const auto start = decode<Start>("\x28" + varint);
    ASSERT_TRUE(start) << start.error().message;
    EXPECT_EQ(expected, start->heir);
  }
  EXPECT_FALSE(decode<Start>("\x28"));
}

template <class Message>
void survives(const std::string& bytes) {
  for (std::size_t n = 0; n <= bytes.size(); ++n) {
    // A copy of exactly that size, so that a sanitizer sees a read beyond its end.
    const std::vector<char> exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    const auto result = decode<Message>(std::string_view(exact.data(), exact.size()));
    if (!result) {
      EXPECT_FALSE(result.error().message.empty());
    }
  }
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string broken = bytes;
    for (int i = 0; i < 1 + round % 4; ++i) {
      broken[random() % broken.size()] = static_cast<char>(random());
    }
    (void)decode<Message>(broken);
  }
}

TEST(MessagesTest, TruncatedAndDamagedBytesAreRefusedOrReadNeverWorse) {
  survives<Hello>(encode(Hello{.manifest = sample_manifest()}));
  survives<Listeners>(encode(Listeners{sample_manifest().named, 2}));
  std::string body;
  append(body, {.id = 5, .state = "state", .counters = Counters{7, 8}, .blob = Blob{1, 2, 3, 4}});
  append_closed(body, 9);
  survives<Sessions>(body);
  survives<Prepare>(encode(Prepare{1, 2, 3, 4, 5}));
  v1::Start start;
  start.set_service("x");
  start.set_heir(true);
  start.add_listeners()->set_name("public");
  start.mutable_handoff()->set_id(5);
  survives<Start>(start.SerializeAsString());
}

}  // namespace
}  // namespace handoff::protocol
