// The record layer against itself, and against a peer that follows no rules.
#include "libhandoff-tls/core/record.h"

#include <gtest/gtest.h>

#include "libhandoff-tls/core/state.h"
#include "records.h"

namespace handoff::tls {
namespace {

using Opened = Record::Opened;
using test::End;
using test::Forger;

class RecordTest : public testing::TestWithParam<std::uint16_t> {
 protected:
  bool is_13() const { return find_suite(GetParam())->version == Version::kTls13; }
  End server{Role::kServer, GetParam()};
  End client{Role::kClient, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Suites, RecordTest,
                         testing::Values(0x1301, 0x1302, 0x1303, 0x009C, 0x009D, 0x009E, 0x009F,
                                         0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xCCAA));

// What a session says once it has failed.
void expect_failed(End& end, Alert alert) {
  EXPECT_TRUE(end.record.failed());
  EXPECT_EQ(alert, end.record.alert_sent());
  EXPECT_EQ("", end.read());
  EXPECT_FALSE(end.record.seal("more", end.wire));
  const std::string alert_record = end.sent();
  EXPECT_FALSE(alert_record.empty());
  EXPECT_EQ(Opened::kFailed, end.open(alert_record));
}

TEST_P(RecordTest, WhatIsSealedIsOpened) {
  const std::size_t sizes[] = {1, 2, 15, 16, 17, 1000, 16383, 16384, 16385, 50000};
  for (const std::size_t size : sizes) {
    const std::string text(size, static_cast<char>(size));
    ASSERT_EQ(Opened::kRecord, server.open(client.sealed(text)));
    ASSERT_EQ(text, server.read());
    ASSERT_EQ(Opened::kRecord, client.open(server.sealed(text)));
    ASSERT_EQ(text, client.read());
  }
}

TEST_P(RecordTest, ARecordIsOpenedWhenItIsWhole) {
  const std::string record = client.sealed("hello");
  for (std::size_t cut = 0; cut < record.size(); ++cut) {
    ASSERT_EQ(Opened::kMore, server.open(record.substr(0, cut))) << cut;
  }
  EXPECT_EQ(Opened::kRecord, server.open(record));
  EXPECT_EQ("hello", server.read());
}

TEST_P(RecordTest, NoBitOfARecordMayChange) {
  const std::string record = client.sealed("hello");
  for (std::size_t bit = 0; bit < 8 * record.size(); ++bit) {
    std::string flipped = record;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    End fresh(Role::kServer, GetParam());
    const Opened opened = fresh.open(flipped);
    // A longer length is one that is waited for.
    if (bit / 8 >= 3 && bit / 8 < 5 && opened == Opened::kMore) continue;
    ASSERT_EQ(Opened::kFailed, opened) << "bit " << bit;
    if (bit / 8 >= 5) {
      expect_failed(fresh, Alert::kBadRecordMac);
    }
  }
}

TEST_P(RecordTest, AReplayedRecordIsRefused) {
  const std::string record = client.sealed("hello");
  ASSERT_EQ(Opened::kRecord, server.open(record));
  server.read();
  EXPECT_EQ(Opened::kFailed, server.open(record));
  expect_failed(server, Alert::kBadRecordMac);
}

TEST_P(RecordTest, ASkippedRecordIsMissed) {
  client.sealed("first");
  EXPECT_EQ(Opened::kFailed, server.open(client.sealed("second")));
  expect_failed(server, Alert::kBadRecordMac);
}

TEST_P(RecordTest, ARecordTooShortForItsTagIsRefused) {
  for (std::size_t size = 0; size < expansion(*find_suite(GetParam())); ++size) {
    End fresh(Role::kServer, GetParam());
    std::string record = {0x17, 3, 3, 0, static_cast<char>(size)};
    record.append(size, 'x');
    ASSERT_EQ(Opened::kFailed, fresh.open(record)) << size;
    expect_failed(fresh, Alert::kBadRecordMac);
  }
}

TEST_P(RecordTest, AHeaderThatSaysTooMuchIsNotWaitedFor) {
  const std::size_t limit = kMaxFragment + (is_13() ? 256 : 2048);
  std::string header = {0x17, 3, 3, static_cast<char>(limit >> 8), static_cast<char>(limit)};
  EXPECT_EQ(Opened::kMore, server.open(header));
  ++header[4];
  EXPECT_EQ(Opened::kFailed, server.open(header));
  expect_failed(server, Alert::kRecordOverflow);
}

TEST_P(RecordTest, TheContentHasALimit) {
  Forger forger(client);
  const std::string text(kMaxFragment, 'a');
  ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kData, text)));
  ASSERT_EQ(text, server.read());
  EXPECT_EQ(Opened::kFailed, server.open(forger.record(Type::kData, text + "b")));
  expect_failed(server, Alert::kRecordOverflow);
}

TEST_P(RecordTest, AFragmentLimitHoldsBothWays) {
  const std::size_t limits[] = {512, 1024, 2048, 4096};
  for (std::uint8_t code = 1; code <= 4; ++code) {
    End small(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
    small.record.limit_fragments(code);
    const std::size_t limit = limits[code - 1];
    const std::size_t each = limit + kHeaderSize + expansion(*find_suite(GetParam()));
    ASSERT_EQ(2 * each + each - limit + 1, small.sealed(std::string(2 * limit + 1, 'x')).size());
    ASSERT_EQ(Opened::kRecord, small.open(peer.sealed(std::string(limit, 'x'))));
    small.read();
    ASSERT_EQ(Opened::kFailed, small.open(peer.sealed(std::string(limit + 1, 'x'))));
    expect_failed(small, Alert::kRecordOverflow);
  }
}

TEST_P(RecordTest, EmptyRecordsAreFineUntilThereIsNothingElse) {
  Forger forger(client);
  for (int round = 0; round < 3; ++round) {
    for (unsigned i = 0; i < kMaxIdleRecords; ++i) {
      ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kData, "")));
    }
    ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kData, "x")));
    ASSERT_EQ("x", server.read());
  }
  for (unsigned i = 0; i < kMaxIdleRecords; ++i) server.open(forger.record(Type::kData, ""));
  EXPECT_EQ(Opened::kFailed, server.open(forger.record(Type::kData, "")));
  expect_failed(server, Alert::kUnexpectedMessage);
}

TEST_P(RecordTest, CloseNotifyEndsOneDirection) {
  ASSERT_TRUE(client.record.close(client.wire));
  EXPECT_FALSE(client.record.close(client.wire));
  EXPECT_FALSE(client.record.seal("too late", client.wire));
  const std::string close = client.sent();
  ASSERT_EQ(Opened::kRecord, server.open(close));
  EXPECT_TRUE(server.record.read_closed());
  EXPECT_EQ(Alert::kCloseNotify, server.record.alert_received());
  EXPECT_EQ(Opened::kEnded, server.open("what follows means nothing"));
  ASSERT_EQ(Opened::kRecord, client.open(server.sealed("the rest of the answer")));
  EXPECT_EQ("the rest of the answer", client.read());
}

TEST_P(RecordTest, AFatalAlertEndsTheSession) {
  Forger forger(client);
  EXPECT_EQ(Opened::kFailed, server.open(forger.record(Type::kAlert, {"\x02\x50", 2})));
  EXPECT_EQ(Alert::kInternalError, server.record.alert_received());
  EXPECT_FALSE(server.record.seal("x", server.wire));
  EXPECT_EQ("", server.sent()) << "an alert is not answered";
}

TEST_P(RecordTest, AWarningEndsASessionOfTls13Alone) {
  Forger forger(client);
  const Opened opened = server.open(forger.record(Type::kAlert, {"\x01\x2a", 2}));
  EXPECT_EQ(is_13() ? Opened::kFailed : Opened::kRecord, opened);
  EXPECT_EQ(is_13(), server.record.failed());
  End other(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
  Forger canceler(peer);
  EXPECT_EQ(Opened::kRecord, other.open(canceler.record(Type::kAlert, {"\x01\x5a", 2})));
}

TEST_P(RecordTest, AMalformedAlertIsRefused) {
  for (const std::string body : {"", "\x02", "\x02\x50\x02\x50"}) {
    End fresh(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
    ASSERT_EQ(Opened::kFailed, fresh.open(Forger(peer).record(Type::kAlert, body)));
    expect_failed(fresh, body.empty() ? Alert::kUnexpectedMessage : Alert::kDecodeError);
  }
}

TEST_P(RecordTest, OtherTypesAreRefused) {
  for (const int type : {0, 1, 20, 24, 255}) {
    End fresh(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
    Forger forger(peer);
    // In TLS 1.3 a type 0 is padding, behind which there is no type at all.
    ASSERT_EQ(Opened::kFailed,
              fresh.open(forger.record(Type{static_cast<std::uint8_t>(type)}, "")));
    expect_failed(fresh, Alert::kUnexpectedMessage);
  }
}

TEST_P(RecordTest, MessagesThatBelongToAHandshakeAreRefused) {
  // Finished, CertificateRequest (authentication after the handshake is off), KeyUpdate of TLS 1.2.
  for (const char type : {20, 13, is_13() ? 2 : 24}) {
    End fresh(Role::kClient, GetParam()), peer(Role::kServer, GetParam());
    const std::string message = {type, 0, 0, 1, 0};
    ASSERT_EQ(Opened::kFailed, fresh.open(Forger(peer).record(Type::kHandshake, message)));
    expect_failed(fresh, Alert::kUnexpectedMessage);
  }
  End fresh(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
  const std::string ticket = {4, 0, 0, 1, 0};
  ASSERT_EQ(Opened::kFailed, fresh.open(Forger(peer).record(Type::kHandshake, ticket)));
  expect_failed(fresh, Alert::kUnexpectedMessage);
}

TEST_P(RecordTest, NoMessageIsEmptyOrEndless) {
  {
    End fresh(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
    ASSERT_EQ(Opened::kFailed, fresh.open(Forger(peer).record(Type::kHandshake, "")));
    expect_failed(fresh, Alert::kUnexpectedMessage);
  }
  // Refused with the header: nobody waits for the rest, or moves what has come of it.
  const std::string header = is_13() ? std::string{4, 0, 0x40, 1} : std::string{1, 0, 0x10, 1};
  End& reader = is_13() ? client : server;
  End& peer = is_13() ? server : client;
  ASSERT_EQ(Opened::kFailed, reader.open(Forger(peer).record(Type::kHandshake, header)));
  expect_failed(reader, Alert::kIllegalParameter);
}

TEST_P(RecordTest, NothingComesBetweenThePartsOfAMessage) {
  const Type others[] = {Type::kData, Type::kAlert};
  for (const Type other : others) {
    End fresh(Role::kServer, GetParam()), peer(Role::kClient, GetParam());
    Forger forger(peer);
    ASSERT_EQ(Opened::kRecord, fresh.open(forger.record(Type::kHandshake, {"\x18\0", 2})));
    ASSERT_EQ(Opened::kFailed, fresh.open(forger.record(other, {"\x01\0", 2})));
    expect_failed(fresh, Alert::kUnexpectedMessage);
  }
}

TEST_P(RecordTest, RenegotiationIsDeclined) {
  if (is_13()) return;
  const std::string hello = {1, 0, 0, 3, 'a', 'b', 'c'};
  Forger forger(client);
  for (const char byte : hello) {  // in as many records as it has bytes
    ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kHandshake, {&byte, 1})));
  }
  End reader(Role::kClient, GetParam());
  ASSERT_EQ(Opened::kRecord, reader.open(server.sent()));
  EXPECT_FALSE(reader.record.failed()) << "a warning";
  ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kData, "goes on")));
  EXPECT_EQ("goes on", server.read());
  for (unsigned i = 0; i < kMaxIdleRecords; ++i) {
    ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kHandshake, hello)));
  }
  ASSERT_EQ(Opened::kFailed, server.open(forger.record(Type::kHandshake, hello)));
}

TEST_P(RecordTest, KeysChangeOnEitherSide) {
  for (int round = 0; round < 5; ++round) {
    if (!is_13()) {
      ASSERT_FALSE(client.record.update_key(true, client.wire));
      return;
    }
    const bool ask = round % 2 == 0;
    ASSERT_TRUE(client.record.update_key(ask, client.wire));
    ASSERT_EQ(Opened::kRecord, server.open(client.sent()));
    ASSERT_EQ("", server.sent()) << "the answer waits for data, so that many need one";
    ASSERT_EQ(ask, server.record.owes_update());
    ASSERT_EQ(Opened::kRecord, client.open(server.sealed("answer")));
    ASSERT_EQ("answer", client.read());
    ASSERT_FALSE(server.record.owes_update());
    ASSERT_EQ(static_cast<std::uint32_t>(round + 1), client.record.writing().generation);
    ASSERT_EQ(Opened::kRecord, server.open(client.sealed("with the new key")));
    ASSERT_EQ("with the new key", server.read());
  }
  EXPECT_EQ(3U, client.record.reading().generation);
}

TEST(KeyUpdateTest, ManyRequestsHaveOneAnswer) {
  End server(Role::kServer), client(Role::kClient);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.record.update_key(true, client.wire));
    ASSERT_EQ(Opened::kRecord, server.open(client.sent()));
  }
  ASSERT_EQ(Opened::kRecord, client.open(server.sealed("x")));
  EXPECT_EQ(1U, client.record.reading().generation);
}

TEST(KeyUpdateTest, IsTheLastOfItsRecord) {
  End server(Role::kServer), client(Role::kClient);
  const std::string update = {24, 0, 0, 1, 0};
  ASSERT_EQ(Opened::kFailed, server.open(Forger(client).record(Type::kHandshake, update + update)));
  expect_failed(server, Alert::kUnexpectedMessage);
}

TEST(KeyUpdateTest, SaysYesOrNo) {
  for (const auto& [body, alert] :
       {std::pair{std::string{24, 0, 0, 1, 2}, Alert::kIllegalParameter},
        {std::string{24, 0, 0, 0}, Alert::kDecodeError},
        {std::string{24, 0, 0, 2, 0, 0}, Alert::kDecodeError}}) {
    End server(Role::kServer), client(Role::kClient);
    ASSERT_EQ(Opened::kFailed, server.open(Forger(client).record(Type::kHandshake, body)));
    expect_failed(server, alert);
  }
}

TEST(KeyUpdateTest, ComesInParts) {
  End server(Role::kServer), client(Role::kClient);
  Forger forger(client);
  const std::string update = {24, 0, 0, 1, 1};
  for (const char byte : update) {
    ASSERT_EQ(0U, server.record.reading().generation);
    ASSERT_EQ(Opened::kRecord, server.open(forger.record(Type::kHandshake, {&byte, 1})));
  }
  EXPECT_EQ(1U, server.record.reading().generation);
  EXPECT_TRUE(server.record.owes_update());
}

TEST(PaddingTest, IsTakenOff) {
  End server(Role::kServer), client(Role::kClient);
  Forger forger(client);
  for (const std::size_t zeros : {0, 1, 100, 16380}) {
    ASSERT_EQ(Opened::kRecord, server.open(forger.inner("abc\x17" + std::string(zeros, '\0'))));
    ASSERT_EQ("abc", server.read());
  }
  ASSERT_EQ(Opened::kFailed, server.open(forger.inner(std::string(5, '\0'))));
  expect_failed(server, Alert::kUnexpectedMessage);
}

TEST(PaddingTest, CountsForTheLimit) {
  End server(Role::kServer), client(Role::kClient);
  ASSERT_EQ(Opened::kFailed,
            server.open(Forger(client).inner("\x17" + std::string(kMaxFragment + 1, '\0'))));
  expect_failed(server, Alert::kRecordOverflow);
}

TEST(PlainRecordTest, IsRefusedInTls13) {
  for (const int type : {20, 21, 22, 0, 71}) {
    End server(Role::kServer);
    ASSERT_EQ(Opened::kFailed, server.open(std::string{static_cast<char>(type), 3, 3, 0, 1, 1}));
    expect_failed(server, Alert::kUnexpectedMessage);
  }
}

TEST(VersionTest, OfTls12IsLookedAt) {
  End server(Role::kServer, 0xC02F);
  ASSERT_EQ(Opened::kFailed, server.open(std::string{23, 3, 1, 0, 40}));
  expect_failed(server, Alert::kProtocolVersion);
}

TEST(TicketTest, MustBeWhole) {
  const std::string good = {0, 0, 0, 9, 1, 2, 3, 4, 1, 7, 0, 2, 'a', 'b', 0, 0};
  for (std::size_t size = 0; size <= good.size() + 1; ++size) {
    End client(Role::kClient), server(Role::kServer);
    const std::string body = (good + "x").substr(0, size);
    const std::string message = std::string{4, 0, 0, static_cast<char>(size)} + body;
    const Opened opened = client.open(Forger(server).record(Type::kHandshake, message));
    if (size == good.size()) {
      ASSERT_EQ(Opened::kRecord, opened);
      const auto ticket = client.record.take_ticket();
      ASSERT_TRUE(ticket);
      EXPECT_EQ(9U, ticket->lifetime_s);
      EXPECT_EQ(0x01020304U, ticket->age_add);
      EXPECT_EQ((std::vector<std::uint8_t>{'a', 'b'}), ticket->ticket);
      EXPECT_FALSE(client.record.take_ticket()) << "it is told once";
    } else {
      ASSERT_EQ(Opened::kFailed, opened) << size;
      expect_failed(client, Alert::kDecodeError);
    }
  }
}

}  // namespace
}  // namespace handoff::tls
