// The contexts of several lanes: each has sessions and a gate of its own, and all have the same
// ticket keys, whichever of them made one.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "peer.h"

namespace handoff::tls {
namespace {

using test::make_context;
using test::SslContext;

using LaneContext = std::unique_ptr<handoff_tls_context_t, test::FreeTls>;
using LaneTicket = std::unique_ptr<SSL_SESSION, test::FreeSsl>;

LaneContext first_lane(SSL_CTX* ssl, bool tickets = true) {
  handoff_tls_context_t* made = nullptr;
  EXPECT_EQ(0, handoff_tls_context_open(&made, ssl, nullptr));
  LaneContext out(made);
  if (tickets) {
    EXPECT_EQ(0, handoff_tls_tickets(made, 0));
  }
  EXPECT_EQ(0, handoff_tls_own(made));
  return out;
}

LaneContext other_lane(const LaneContext& first) {
  handoff_tls_context_t* made = nullptr;
  EXPECT_EQ(0, handoff_tls_context_lane(&made, first.get()));
  LaneContext out(made);
  EXPECT_EQ(0, handoff_tls_own(made));
  return out;
}

// A client comes to a lane, with a ticket or without.
struct Visit {
  Visit(SSL_CTX* clients, const LaneContext& lane, SSL_SESSION* with = nullptr) {
    test::Peer client(clients, false);
    if (with != nullptr) SSL_set_session(client.ssl(), with);
    handoff_tls_t* made = nullptr;
    EXPECT_EQ(0, handoff_tls_accept(&made, lane.get(), 1000));
    const std::unique_ptr<handoff_tls_t, test::FreeTls> server(made);
    std::string input;
    for (std::string more = client.feed(""); !more.empty();) {
      input += std::exchange(more, {});
      const ssize_t consumed = handoff_tls_feed(made, input.data(), input.size());
      if (consumed < 0) break;
      input.erase(0, static_cast<std::size_t>(consumed));
      const char* out = nullptr;
      const std::size_t size = handoff_tls_out(made, &out);
      if (size > 0) more = client.feed({out, size});
      handoff_tls_sent(made, size);
    }
    established = handoff_tls_established(made) != 0;
    resumed = SSL_session_reused(client.ssl()) != 0;
    ticket.reset(SSL_get1_session(client.ssl()));
    // One that has not ended in order would not be resumed.
    SSL_set_shutdown(client.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  bool established = false;
  bool resumed = false;
  LaneTicket ticket;
};

std::string keys_of(const LaneContext& lane) {
  std::string out(HANDOFF_TLS_TICKETS_MAX, '\0');
  const ssize_t size = handoff_tls_save_tickets(lane.get(), out.data(), out.size());
  EXPECT_LT(0, size);
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string ticket_of(const LaneTicket& session) {
  const unsigned char* ticket = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &ticket, &size);
  return {reinterpret_cast<const char*>(ticket), size};
}

class TlsLanesTest : public testing::TestWithParam<const char*> {
 protected:
  SslContext servers_ = make_context(GetParam());
  SslContext clients_ = make_context(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Versions, TlsLanesTest,
                         testing::Values("TLS_AES_128_GCM_SHA256",
                                         "ECDHE-ECDSA-AES128-GCM-SHA256"));

TEST_P(TlsLanesTest, ATicketOfAnyLaneIsOpenedByAll) {
  const LaneContext first = first_lane(servers_.get());
  const LaneContext second = other_lane(first), third = other_lane(first);
  for (const LaneContext* const from : {&third, &first, &second}) {
    const Visit before(clients_.get(), *from);
    ASSERT_TRUE(before.established);
    EXPECT_FALSE(before.resumed);
    for (const LaneContext* const to : {&first, &second, &third}) {
      const LaneTicket copy(SSL_SESSION_dup(before.ticket.get()));
      const Visit after(clients_.get(), *to, copy.get());
      EXPECT_TRUE(after.established);
      EXPECT_TRUE(after.resumed);
    }
  }
}

// With TLS 1.3 a ticket is used once: whoever resumes gets the next one.
TEST_P(TlsLanesTest, AResumedSessionHasATicket) {
  const LaneContext lane = first_lane(servers_.get());
  Visit last(clients_.get(), lane);
  for (int i = 0; i < 3; ++i) {
    const std::string used = ticket_of(last.ticket);
    Visit next(clients_.get(), lane, last.ticket.get());
    EXPECT_TRUE(next.resumed);
    EXPECT_NE("", ticket_of(next.ticket));
    const bool is_13 = SSL_SESSION_get_protocol_version(next.ticket.get()) == TLS1_3_VERSION;
    EXPECT_EQ(is_13, used != ticket_of(next.ticket));
    last.ticket = std::move(next.ticket);
  }
}

TEST_P(TlsLanesTest, ContextsThatAreNoLanesShareNoKeys) {
  const LaneContext one = first_lane(servers_.get());
  const LaneContext other = first_lane(servers_.get());
  const Visit before(clients_.get(), one);
  const LaneTicket copy(SSL_SESSION_dup(before.ticket.get()));
  const Visit after(clients_.get(), other, copy.get());
  EXPECT_TRUE(after.established);
  EXPECT_FALSE(after.resumed);
}

// A generation saves those of lane 0, and the next one gives them to its lane 0.
TEST_P(TlsLanesTest, TheNextGenerationHasThemOnAllLanes) {
  const LaneContext first = first_lane(servers_.get());
  const LaneContext second = other_lane(first);
  const Visit before(clients_.get(), second);
  const std::string keys = keys_of(first);
  EXPECT_EQ(keys, keys_of(second));
  const SslContext next_servers = make_context(GetParam());
  const LaneContext next = first_lane(next_servers.get());
  const LaneContext next_second = other_lane(next);
  ASSERT_EQ(0, handoff_tls_load_tickets(next.get(), keys.data(), keys.size()));
  const LaneTicket copy(SSL_SESSION_dup(before.ticket.get()));
  EXPECT_TRUE(Visit(clients_.get(), next_second, copy.get()).resumed);
}

TEST_P(TlsLanesTest, EachLivesAndIsFrozenForItself) {
  LaneContext first = first_lane(servers_.get());
  const LaneContext second = other_lane(first);
  ASSERT_EQ(0, handoff_tls_freeze(first.get()));
  const Visit before(clients_.get(), second);
  EXPECT_TRUE(before.established);
  first.reset();
  const LaneTicket copy(SSL_SESSION_dup(before.ticket.get()));
  EXPECT_TRUE(Visit(clients_.get(), second, copy.get()).resumed);
}

// The first of the threads makes the key.
TEST_P(TlsLanesTest, LanesOfSeveralThreadsMakeOneKey) {
  const LaneContext first = first_lane(servers_.get());
  std::vector<LaneContext> lanes;
  for (int i = 0; i < 3; ++i) lanes.push_back(other_lane(first));
  std::vector<LaneTicket> tickets(lanes.size());
  std::atomic<std::size_t> arrived{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    threads.emplace_back([&, i] {
      const SslContext clients = make_context(GetParam());
      ++arrived;
      while (arrived < lanes.size()) std::this_thread::yield();
      for (int n = 0; n < 10; ++n) {
        tickets[i] = std::move(Visit(clients.get(), lanes[i]).ticket);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(1, keys_of(first)[1]) << "keys";
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    EXPECT_TRUE(Visit(clients_.get(), lanes[(i + 1) % lanes.size()], tickets[i].get()).resumed);
  }
}

TEST(TlsLanesErrorTest, ThereIsNoneWithoutTheFirst) {
  handoff_tls_context_t* made = nullptr;
  EXPECT_EQ(-EINVAL, handoff_tls_context_lane(&made, nullptr));
  EXPECT_EQ(-EINVAL, handoff_tls_context_lane(nullptr, nullptr));
  const SslContext servers = make_context();
  const LaneContext first = first_lane(servers.get(), false);
  const LaneContext second = other_lane(first);
  unsigned char keys[HANDOFF_TLS_TICKETS_MAX];
  EXPECT_EQ(HANDOFF_ERR_ORDER, handoff_tls_save_tickets(second.get(), keys, sizeof keys));
}

}  // namespace
}  // namespace handoff::tls
