// The records of RFC 8448, section 3, as bytes: its secrets give its keys, and its plaintext its
// records, in both directions.
#include <gtest/gtest.h>

#include "hex.h"
#include "libhandoff-tls/core/record.h"

namespace handoff::tls {
namespace {

using test::bytes;
using test::hex;
using test::unhex;

const std::string kClientSecret = unhex(
    "9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 "
    "a5");
const std::string kServerSecret = unhex(
    "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 "
    "43");
const std::string kTicketRecord = unhex(
    "17 03 03 00 de 3a 6b 8f 90 41 4a 97 d6 95 9c 34 87 68 0d e5 13 4a 2b 24 0e 6c ff ac 11 6e 95 "
    "d4 1d 6a f8 f6 b5 80 dc f3 d1 1d 63 c7 58 db 28 9a 01 59 40 25 2f 55 71 3e 06 1d c1 3e 07 88 "
    "91 a3 8e fb cf 57 53 ad 8e f1 70 ad 3c 73 53 d1 6d 9d a7 73 b9 ca 7f 2b 9f a1 b6 c0 d4 a3 d0 "
    "3f 75 e0 9c 30 ba 1e 62 97 2a c4 6f 75 f7 b9 81 be 63 43 9b 29 99 ce 13 06 46 15 13 98 91 d5 "
    "e4 c5 b4 06 f1 6e 3f c1 81 a7 7c a4 75 84 00 25 db 2f 0a 77 f8 1b 5a b0 5b 94 c0 13 46 75 5f "
    "69 23 2c 86 51 9d 86 cb ee ac 87 aa c3 47 d1 43 f9 60 5d 64 f6 50 db 4d 02 3e 70 e9 52 ca 49 "
    "fe 51 37 12 1c 74 bc 26 97 68 7e 24 87 46 d6 df 35 30 05 f3 bc e1 86 96 12 9c 81 53 55 6b 3b "
    "6c 67 79 b3 7b f1 59 85 68 4f");
const std::string kPayload = unhex(
    "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e "
    "1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 30 31");
const std::string kClientRecord = unhex(
    "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab "
    "3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d "
    "ea e6 3a ee bb 21 69 49 15 e4");
const std::string kServerRecord = unhex(
    "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b "
    "36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 "
    "32 54 0d d0 32 e1 67 c2 95 5d");
const std::string kClientClose =
    unhex("17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3");
const std::string kServerClose =
    unhex("17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9");

TEST(Rfc8448Test, TrafficKeysComeFromTheirSecrets) {
  const Suite& suite = *find_suite(0x1301);
  std::string key(16, '\0'), iv(12, '\0');
  const auto derive = [&](const std::string& secret) {
    expand_label(suite, bytes(secret), "key", reinterpret_cast<std::uint8_t*>(key.data()), 16);
    expand_label(suite, bytes(secret), "iv", reinterpret_cast<std::uint8_t*>(iv.data()), 12);
  };
  derive(kServerSecret);
  EXPECT_EQ("9f02283b6c9c07efc26bb9f2ac92e356", hex(key));
  EXPECT_EQ("cf782b88dd83549aadf1e984", hex(iv));
  derive(kClientSecret);
  EXPECT_EQ("17422dda596ed5d9acd890e3c63f5051", hex(key));
  EXPECT_EQ("5b78923dee08579033e523d9", hex(iv));
}

struct Endpoint {
  explicit Endpoint(Role role) : record(&gate) {
    gate.own();
    const bool server = role == Role::kServer;
    record.begin(role, *find_suite(0x1301), bytes(server ? kClientSecret : kServerSecret),
                 bytes(server ? kServerSecret : kClientSecret), server ? 1 : 0);
  }
  std::string sent() {
    const std::string out(wire.view());
    wire.consume(wire.size());
    return out;
  }
  GateWord gate;
  Record record;
  Buffer plain, wire;
};

TEST(Rfc8448Test, AClientReadsTheTicketAndTheData) {
  Endpoint client(Role::kClient);
  std::size_t consumed = 0;
  ASSERT_EQ(Record::Opened::kRecord,
            client.record.open(kTicketRecord, consumed, client.plain, client.wire));
  const auto ticket = client.record.take_ticket();
  ASSERT_TRUE(ticket);
  EXPECT_EQ(30U, ticket->lifetime_s);
  EXPECT_EQ(0xfad6aac5U, ticket->age_add);
  EXPECT_EQ(2U, ticket->nonce.size());
  EXPECT_EQ(178U, ticket->ticket.size());

  ASSERT_TRUE(client.record.seal(kPayload, client.wire));
  EXPECT_EQ(hex(kClientRecord), hex(client.sent()));
  ASSERT_EQ(Record::Opened::kRecord,
            client.record.open(kServerRecord, consumed, client.plain, client.wire));
  EXPECT_EQ(hex(kPayload), hex(client.plain.view()));
  ASSERT_TRUE(client.record.close(client.wire));
  EXPECT_EQ(hex(kClientClose), hex(client.sent()));
  ASSERT_EQ(Record::Opened::kRecord,
            client.record.open(kServerClose, consumed, client.plain, client.wire));
  EXPECT_TRUE(client.record.read_closed());
}

TEST(Rfc8448Test, AServerThatHasSentItsTicketAnswers) {
  Endpoint server(Role::kServer);
  std::size_t consumed = 0;
  ASSERT_EQ(Record::Opened::kRecord,
            server.record.open(kClientRecord, consumed, server.plain, server.wire));
  EXPECT_EQ(kClientRecord.size(), consumed);
  EXPECT_EQ(hex(kPayload), hex(server.plain.view()));
  ASSERT_TRUE(server.record.seal(kPayload, server.wire));
  EXPECT_EQ(hex(kServerRecord), hex(server.sent()));
  ASSERT_EQ(Record::Opened::kRecord,
            server.record.open(kClientClose, consumed, server.plain, server.wire));
  EXPECT_TRUE(server.record.read_closed());
  ASSERT_TRUE(server.record.close(server.wire));
  EXPECT_EQ(hex(kServerClose), hex(server.sent()));
}

}  // namespace
}  // namespace handoff::tls
