// A session's state as bytes: golden ones, and all the ways in which one can be wrong.
#include "libhandoff-tls/core/state.h"

#include <gtest/gtest.h>

#include "handoff/handoff.h"
#include "hex.h"
#include "records.h"

namespace handoff::tls {
namespace {

using Opened = Record::Opened;
using test::End;
using test::Forger;
using test::hex;
using test::unhex;

std::string save(const Record& record, const Info& info = {}) {
  std::string out(RecordState::size(record, info), '\0');
  RecordState::write(record, info, reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

// A session as an heir has it.
struct Heir {
  explicit Heir(std::string_view state) : record(&gate) {
    gate.own();
    result = RecordState::read(state, record, info);
  }
  int code() const { return result ? 0 : result.error().code; }

  GateWord gate;
  Record record;
  Info info;
  Buffer plain, wire;
  Result<void> result;
};

struct Golden {
  std::uint16_t suite;
  const char* state;
};

// Never change one of these: a release of before has written it. What is written otherwise from now
// on gets another kStateVersion, and further ones here.
const Golden kGolden[] = {
    {0x1301,
     "01130100000000000000000004330000000000000002000000006363636363636363636363636363"
     "63636363636363636363636363636363636300000000000000030000000073737373737373737373"
     "73737373737373737373737373737373737373737373"},
    {0x1302,
     "01130200000000000000000004330000000000000002000000006363636363636363636363636363"
     "63636363636363636363636363636363636363636363636363636363636363636363000000000000"
     "00030000000073737373737373737373737373737373737373737373737373737373737373737373"
     "7373737373737373737373737373"},
    {0x1303,
     "01130300000000000000000004330000000000000002000000006363636363636363636363636363"
     "63636363636363636363636363636363636300000000000000030000000073737373737373737373"
     "73737373737373737373737373737373737373737373"},
    {0xC02F,
     "01c02f000000000000000000044800000000000000033104309fb2bc184ee2142969765d2524653e"
     "32560000000000000004bd41f28f8cc58feca80e726f6586e8fe160457550000000000000050"},
    {0xC030,
     "01c03000000000000000000004480000000000000003004f90bed015f88b44e76c3c3e3ffbf4c02c"
     "2180df4c2c376cc90ca5a8ae262eb1d749ac0000000000000004ff36d75db153dcce9151e3a42f0f"
     "e0558587088686ca9298603dbfa4afd05414e722546c0000000000000050"},
    {0xCCA8,
     "01cca8000000000000000000043000000000000000033104309fb2bc184ee2142969765d2524bd41"
     "f28f8cc58feca80e726f6586e8fec6c39bc932318ccab634a0020000000000000004653e32561604"
     "5755982c8c311d1b4383903f200f99d66b1e52a8065ef8da1294f6d9aae49b69f4db190f2346"},
};

// A server that has read two records, whose input is gone, and sent three.
void use(End& server) {
  End client(Role::kClient, server.record.suite()->id);
  for (int i = 0; i < 2; ++i) server.open(client.sealed("abc"));
  server.read();
  (void)server.record.unread().take_done();
  for (int i = 0; i < 3; ++i) server.sealed("abc");
}

TEST(GoldenStateTest, IsWrittenAndReadAsItWas) {
  for (const Golden& golden : kGolden) {
    End server(Role::kServer, golden.suite);
    use(server);
    EXPECT_EQ(golden.state, hex(save(server.record))) << std::hex << golden.suite;
    Heir heir(unhex(golden.state));
    ASSERT_EQ(0, heir.code()) << std::hex << golden.suite;
    EXPECT_EQ(golden.state, hex(save(heir.record)));
  }
}

TEST(StateTest, ASessionGoesOnAfterIt) {
  for (const Golden& golden : kGolden) {
    End server(Role::kServer, golden.suite), client(Role::kClient, golden.suite);
    const std::string to_server = client.sealed("one");
    ASSERT_EQ(Opened::kRecord, client.open(server.sealed("un")));
    client.read();
    Heir heir(save(server.record));
    ASSERT_EQ(0, heir.code());
    ASSERT_TRUE(heir.record.check(server.record.position().end(), 0));
    std::size_t consumed = 0;
    ASSERT_EQ(Opened::kRecord, heir.record.open(to_server, consumed, heir.plain, heir.wire));
    EXPECT_EQ("one", heir.plain.view());
    ASSERT_TRUE(heir.record.seal("deux", heir.wire));
    ASSERT_EQ(Opened::kRecord, client.open(heir.wire.view()));
    EXPECT_EQ("deux", client.read());
  }
}

TEST(StateTest, HasAllThatASessionKnows) {
  const Info info{"h2", "example.org", std::string(1500, 'c'), "CN=example.org",
                  std::string(kDigestSize, 'd')};
  End client(Role::kClient), server(Role::kServer);
  client.record.limit_fragments(3);
  ASSERT_TRUE(server.record.update_key(true, server.wire));
  ASSERT_EQ(Opened::kRecord, client.open(server.sent()));
  ASSERT_EQ(Opened::kRecord, client.open(Forger(server).record(Type::kHandshake, {"\x18\0\0", 3})));
  Heir heir(save(client.record, info));
  ASSERT_EQ(0, heir.code());
  EXPECT_EQ(info, heir.info);
  EXPECT_EQ(Role::kClient, heir.record.role());
  EXPECT_TRUE(heir.record.owes_update());
  EXPECT_EQ(1U, heir.record.reading().generation);
  EXPECT_EQ(1U, heir.record.reading().sequence);
  EXPECT_EQ(client.record.position().end(), heir.record.position().end());

  // The owed KeyUpdate and the fragment limit, and the rest of the half message.
  ASSERT_TRUE(heir.record.check(client.record.position().end(), 0));
  ASSERT_TRUE(heir.record.seal(std::string(2049, 'x'), heir.wire));
  ASSERT_EQ(Opened::kRecord, server.open(heir.wire.view()));
  EXPECT_EQ(std::string(2049, 'x'), server.read());
  EXPECT_EQ(1U, server.record.reading().generation);
  EXPECT_EQ(2U, server.record.reading().sequence);
  Forger forger(server);
  forger.direction.sequence = 1;
  const std::string rest = forger.record(Type::kHandshake, {"\x01\x00", 2});
  std::size_t consumed = 0;
  ASSERT_EQ(Opened::kRecord, heir.record.open(rest, consumed, heir.plain, heir.wire));
  EXPECT_EQ(2U, heir.record.reading().generation);
}

TEST(StateTest, WhatHasEndedStaysEnded) {
  End server(Role::kServer), client(Role::kClient);
  ASSERT_TRUE(client.record.close(client.wire));
  server.open(client.sent());
  ASSERT_TRUE(server.record.close(server.wire));
  Heir heir(save(server.record));
  ASSERT_TRUE(heir.record.check(server.record.position().end(), 0));
  EXPECT_TRUE(heir.record.read_closed());
  EXPECT_EQ(Alert::kCloseNotify, heir.record.alert_received());
  EXPECT_TRUE(heir.record.write_closed());
  EXPECT_FALSE(heir.record.seal("x", heir.wire));

  server.record.abandon();
  Heir failed(save(server.record));
  EXPECT_TRUE(failed.record.failed());
}

// The kernel counts a FIN, too, which goes behind close_notify: nothing is sealed after that.
TEST(StateTest, AFinIsNoRecordOfAnother) {
  for (const Golden& golden : kGolden) {
    End server(Role::kServer, golden.suite), client(Role::kClient, golden.suite);
    const std::uint64_t before = server.record.position().end();
    Heir open(save(server.record));
    EXPECT_FALSE(open.record.check(before + 1, 0));
    ASSERT_TRUE(server.record.close(server.wire));
    const std::uint64_t end = server.record.position().end();
    const std::string to_server = client.sealed("more");
    for (const std::uint64_t fin : {0, 1}) {
      Heir heir(save(server.record));
      EXPECT_FALSE(heir.record.check(end + 2, 0));
      EXPECT_FALSE(heir.record.check(before, 0));
      EXPECT_TRUE(heir.record.check(end + fin, 0));
      EXPECT_FALSE(heir.record.seal("x", heir.wire));
      std::size_t consumed = 0;
      ASSERT_EQ(Opened::kRecord, heir.record.open(to_server, consumed, heir.plain, heir.wire));
      EXPECT_EQ("more", heir.plain.view());
      EXPECT_TRUE(heir.wire.empty());
    }
  }
}

// Else a peer could go on for ever where a session moves again and again.
TEST(StateTest, IdleRecordsAreCountedOn) {
  End server(Role::kServer), client(Role::kClient);
  Forger forger(client);
  for (unsigned i = 0; i < kMaxIdleRecords; ++i) server.open(forger.record(Type::kData, ""));
  Heir heir(save(server.record));
  ASSERT_TRUE(heir.record.check(server.record.position().end(), 0));
  std::size_t consumed = 0;
  EXPECT_EQ(Opened::kFailed,
            heir.record.open(forger.record(Type::kData, ""), consumed, heir.plain, heir.wire));
}

TEST(BadStateTest, ACutOneIsRefused) {
  for (const Golden& golden : kGolden) {
    const std::string whole = unhex(golden.state);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // In memory of its own, so that the address sanitizer sees a read beyond the end.
      const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      Heir heir({cut.data(), cut.size()});
      ASSERT_EQ(HANDOFF_ERR_PROTOCOL, heir.code()) << size;
      ASSERT_FALSE(heir.record.begun());
      ASSERT_FALSE(heir.record.may_act());
    }
  }
}

TEST(BadStateTest, ALongerOneIsRefused) {
  for (const Golden& golden : kGolden) {
    std::string longer = unhex(golden.state);
    for (int i = 0; i < 20; ++i) {
      longer += '\0';
      ASSERT_EQ(HANDOFF_ERR_PROTOCOL, Heir(longer).code()) << i;
    }
  }
}

TEST(BadStateTest, AnotherVersionIsRefusedAsThat) {
  std::string state = unhex(kGolden[0].state);
  for (int version = 0; version < 256; ++version) {
    if (version == kStateVersion) continue;
    state[0] = static_cast<char>(version);
    Heir heir(state);
    ASSERT_EQ(HANDOFF_ERR_VERSION, heir.code());
    EXPECT_NE(std::string::npos, heir.result.error().message.find("version"));
  }
}

TEST(BadStateTest, WhatNoSessionHasIsRefused) {
  const std::string good = unhex(kGolden[0].state);
  const auto with = [&](std::size_t at, std::string_view bytes) {
    std::string state = good;
    state.replace(at, bytes.size(), bytes);
    return Heir(state).code();
  };
  EXPECT_EQ(0, with(0, good));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(1, {"\0\0", 2})) << "no such suite";
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(1, "\x13\x04")) << "CCM does not move";
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(3, "\x20")) << "an unknown flag";
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(3, "\x80"));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(4, "\x05")) << "an unknown fragment length";
  EXPECT_EQ(0, with(5, "\x20"));
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, with(5, "\x21")) << "a session that has failed by then";
  std::string tls12 = unhex(kGolden[3].state);
  tls12[3] = kOwesUpdate;
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(tls12).code()) << "TLS 1.2 has no KeyUpdate";
}

std::string section(int tag, std::string_view bytes) {
  std::string out = {static_cast<char>(tag), 0, 0, static_cast<char>(bytes.size() >> 8),
                     static_cast<char>(bytes.size())};
  return out.append(bytes);
}

TEST(BadStateTest, SectionsAreInOrderAndKnown) {
  const std::string good = unhex(kGolden[0].state);
  EXPECT_EQ(0, Heir(good + section(2, "h2") + section(3, "name")).code());
  EXPECT_EQ(0, Heir(good + section(2, "h2") + section(200, "of a newer release")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(3, "name") + section(2, "h2")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(2, "h2") + section(2, "h2")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(2, "")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(0, "x")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(10, "unknown")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(127, "unknown")).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(2, std::string(256, 'a'))).code());
  // A length beyond the end, and one that overflows when it is added to the place.
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + std::string{2, 0, 0, 0, 3, 'h', '2'}).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL,
            Heir(good + std::string{2, '\xff', '\xff', '\xff', '\xff', 'h'}).code());
}

TEST(BadStateTest, WhatWasConsumedIsPartOfOneRecord) {
  const std::string good = unhex(kGolden[0].state);
  EXPECT_EQ(0, Heir(good + section(5, {"\x3f\xff", 2})).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(5, {"\x40\x01", 2})).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(5, {"\0\0\1", 3})).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(1, "\x18") + section(5, {"\0\1", 2})).code())
      << "half a message has come before it";
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(5, {"\0\0", 2})).code());
  for (const int tag : {8, 9}) {
    EXPECT_EQ(0, Heir(good + section(tag, {"\0\0\0\0\0\0\0\1", 8})).code());
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(tag, std::string(9, '\1'))).code());
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(tag, std::string(8, '\1'))).code());
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(tag, std::string(8, '\0'))).code());
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(tag, "\1")).code());
  }
}

TEST(BadStateTest, ACertificateHasALimit) {
  const std::string good = unhex(kGolden[0].state);
  EXPECT_EQ(0, Heir(good + section(4, std::string(kMaxCertificate, 'c'))).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL,
            Heir(good + section(4, std::string(kMaxCertificate + 1, 'c'))).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL,
            Heir(good + section(6, std::string(kMaxSubject + 1, 's'))).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(7, std::string(31, 'd'))).code());
}

// Of a session that has all at once, each as long as it may be.
TEST(StateTest, TheLargestHasRoomInALayer) {
  End client(Role::kClient), server(Role::kServer);
  Forger forger(server);
  const std::string half = std::string("\x04\x00\x40\x00", 4) + std::string(kMaxTicket - 1, 't');
  for (std::size_t at = 0; at < half.size(); at += kMaxFragment) {
    ASSERT_EQ(Opened::kRecord,
              client.open(forger.record(Type::kHandshake,
                                        std::string_view(half).substr(at, kMaxFragment))));
  }
  const Info info{std::string(255, 'a'), std::string(255, 'n'), std::string(kMaxCertificate, 'c'),
                  std::string(kMaxSubject, 's'), std::string(kDigestSize, 'd')};
  const std::string state = save(client.record, info);
  EXPECT_LT(half.size() + kMaxCertificate, state.size());
  EXPECT_GE(kMaxState, state.size());
  EXPECT_EQ(0, Heir(state).code());
}

TEST(BadStateTest, AHalfMessageIsNoWholeOne) {
  const std::string good = unhex(kGolden[0].state);
  EXPECT_EQ(0, Heir(good + section(1, "\x18")).code());
  EXPECT_EQ(0, Heir(good + section(1, {"\x18\0\0\x01", 4})).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(1, {"\x18\0\0\x01\0", 5})).code());
  EXPECT_EQ(HANDOFF_ERR_PROTOCOL, Heir(good + section(1, {"\x18\xff\0\x01", 4})).code());
}

// A state with other record numbers: 14 is where the one of reading stands.
constexpr std::size_t kReadAt = 14;
void set_number(std::string& state, std::size_t at, std::uint64_t number) {
  for (int i = 7; i >= 0; --i, number >>= 8) {
    state[at + static_cast<std::size_t>(i)] = static_cast<char>(number);
  }
}
constexpr std::size_t kWriteAt13 = kReadAt + 8 + 4 + 32;  // with SHA-256

TEST(LimitTest, AKeyOfTls13IsReplacedBeforeItsLimit) {
  End client(Role::kClient);
  std::string state = save(End(Role::kServer).record);
  set_number(state, kWriteAt13, kRecordsPerKey - 1);
  Heir heir(state);
  ASSERT_EQ(0, heir.code());
  ASSERT_TRUE(heir.record.check(1000, 0));
  ASSERT_TRUE(heir.record.seal("the last with this key", heir.wire));
  EXPECT_EQ(0U, heir.record.writing().generation);
  ASSERT_TRUE(heir.record.seal("the first with the next", heir.wire));
  EXPECT_EQ(1U, heir.record.writing().generation);
  EXPECT_EQ(1U, heir.record.writing().sequence);
}

TEST(LimitTest, NoNumberComesTwice) {
  std::string state = save(End(Role::kServer, 0xC02F).record);
  constexpr std::size_t kWriteAt = kReadAt + 8 + 16 + 4;
  set_number(state, kWriteAt, kLastSequence - 1);
  Heir heir(state);
  ASSERT_EQ(0, heir.code());
  ASSERT_TRUE(heir.record.check(1000, 0));
  ASSERT_TRUE(heir.record.seal("the last data", heir.wire));
  const std::size_t size = heir.wire.size();
  EXPECT_FALSE(heir.record.seal("one too many", heir.wire));
  EXPECT_TRUE(heir.record.failed());
  EXPECT_EQ(size, heir.wire.size());

  Heir closing(state);
  ASSERT_TRUE(closing.record.check(1000, 0));
  ASSERT_TRUE(closing.record.seal("the last data", closing.wire));
  EXPECT_TRUE(closing.record.close(closing.wire)) << "the last number is for this";
  EXPECT_EQ(UINT64_MAX, closing.record.writing().sequence);

  set_number(state, kReadAt, UINT64_MAX);
  Heir reader(state);
  ASSERT_TRUE(reader.record.check(1000, 0));
  std::size_t consumed = 0;
  Forger peer(End(Role::kClient, 0xC02F));
  peer.direction.sequence = UINT64_MAX;
  EXPECT_EQ(Opened::kFailed,
            reader.record.open(peer.record(Type::kData, "x"), consumed, reader.plain, reader.wire));
}

}  // namespace
}  // namespace handoff::tls
