#include "libhandoff/copy/session_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "libhandoff/protocol/messages.h"

namespace handoff::io {
namespace {

using ::testing::HasSubstr;

// A service whose save() looks at no result, and returns 0.
class CarelessSaveTest : public ::testing::Test {
 protected:
  CarelessSaveTest() {
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    EXPECT_TRUE(registry_.declare_kind("newer", 2));
    EXPECT_TRUE(registry_.declare_step("newer", {2, 1},
                                       {[](void*, const void*, size_t, handoff_buffer_t* out) {
                                          handoff_buffer_append(out, "half", 4);
                                          handoff_buffer_append(out, nullptr, 4);
                                          return 0;
                                        },
                                        nullptr}));
  }
  template <int (*kSave)(void*, std::uint64_t, handoff_saved_t*)>
  Result<void> save(std::uint32_t kind = 0) {
    registry_.callbacks.save = kSave;
    SessionEntry entry;
    entry.kind = kind;
    return save_session(registry_, 7, entry, 1, saved_);
  }

  Declared declared_;
  Registry registry_{declared_};
  handoff_saved saved_;
};

int leaves_a_gap(void*, std::uint64_t, handoff_saved_t* out) {
  handoff_save_state(out, "s", 1);
  handoff_save_input_at(out, 10, "ab", 2);
  handoff_save_input_at(out, 13, "d", 1);
  return 0;
}
int mixes_both(void*, std::uint64_t, handoff_saved_t* out) {
  handoff_save_output(out, "ab", 2);
  handoff_save_output_at(out, 2, "c", 1);
  return 0;
}
int gives_nothing(void*, std::uint64_t, handoff_saved_t* out) {
  handoff_save_state(out, nullptr, 3);
  handoff_save_input(out, "ab", 2);
  return 0;
}
int is_right(void*, std::uint64_t, handoff_saved_t* out) {
  handoff_save_state(out, "s", 1);
  handoff_save_input_at(out, 10, "ab", 2);
  handoff_save_input_at(out, 12, "c", 1);
  handoff_save_output(out, nullptr, 0);
  return 0;
}

TEST_F(CarelessSaveTest, IsNamedAndFails) {
  const auto gap = save<leaves_a_gap>();
  ASSERT_FALSE(gap);
  EXPECT_EQ(HANDOFF_ERR_REJECTED, gap.error().code);
  EXPECT_THAT(gap.error().message, HasSubstr("session 7"));
  EXPECT_THAT(gap.error().message, HasSubstr("handoff_save_input_at() had failed"));
  const auto mixed = save<mixes_both>();
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.error().message, HasSubstr("handoff_save_output_at()"));
  const auto nothing = save<gives_nothing>();
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message, HasSubstr("handoff_save_state()"));
}

TEST_F(CarelessSaveTest, IsForgottenInTheNextCall) {
  EXPECT_FALSE(save<leaves_a_gap>());
  EXPECT_TRUE(save<is_right>());
  EXPECT_EQ("abc", saved_.input.bytes());
}

TEST_F(CarelessSaveTest, OfAConversionFails) {
  const auto converted = save<is_right>(1);
  ASSERT_FALSE(converted);
  EXPECT_THAT(converted.error().message, HasSubstr("handoff_buffer_append() in a conversion"));
}

// For want of memory the handoff ends: the others would fail as well.
TEST_F(CarelessSaveTest, WithoutMemoryIsAShortage) {
  saved_.error = 0;
  registry_.callbacks.save = [](void*, std::uint64_t, handoff_saved_t* out) {
    handoff_save_state(out, "s", 1);
    out->error = -ENOMEM;
    out->failed = "handoff_save_state";
    return 0;
  };
  const auto saved = save_session(registry_, 7, {}, 1, saved_);
  ASSERT_FALSE(saved);
  EXPECT_EQ(-ENOMEM, saved.error().code);
}

// ---- counters of the socket

// With them an heir keeps a session whose socket has not moved since, after its donor's death. They
// are of the moment in which the record is made, and what was put is of another.
class RecordCountersTest : public ::testing::Test {
 protected:
  RecordCountersTest() {
    EXPECT_TRUE(registry_.declare_kind("session", 1));
    registry_.callbacks.save = is_right;
    sockaddr_in any{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof any;
    EXPECT_EQ(0, ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&any), length));
    EXPECT_EQ(0, ::listen(listener_.get(), 1));
    EXPECT_EQ(0, ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&any), &length));
    EXPECT_EQ(0, ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&any), length));
  }
  bool counted() {
    const SessionEntry entry{.fd = fd_.get(), .independent = true};
    handoff_saved saved;
    EXPECT_TRUE(save_session(registry_, 7, entry, 1, saved));
    PackedSessions packed;
    EXPECT_TRUE(pack_session(registry_, 7, entry, 0, saved, true, packed));
    const auto sessions = protocol::decode<protocol::Sessions>(packed.body);
    EXPECT_TRUE(sessions);
    return sessions && sessions->sessions.at(0).counters.has_value();
  }

  UniqueFd listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  UniqueFd fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Declared declared_;
  Registry registry_{declared_};
};

TEST_F(RecordCountersTest, GoWithWhatIsSavedAtThatMoment) { EXPECT_TRUE(counted()); }

TEST_F(RecordCountersTest, DoNotGoWithWhatWasPutBefore) {
  registry_.told.put(7, {.state = "1"});
  EXPECT_FALSE(counted());
}

// ---- bytes of a layer

// A record after that of a secret makes the body grow, too: the memory that it gives back is wiped,
// and so the body has room before anything is written to it.
TEST(PackedSessionsTest, ABodyWithASecretGrowsByItsOwnHand) {
  Declared declared;
  Registry registry(declared);
  EXPECT_TRUE(registry.declare_kind("session", 1));
  handoff_saved saved;
  saved.state = "s";
  saved.layer.append("keys");
  PackedSessions packed;
  ASSERT_TRUE(pack_session(registry, 1, {.no_fd = true}, 0, saved, true, packed));
  EXPECT_TRUE(packed.secret);
  saved.layer.wipe();
  saved.state.assign(packed.body.capacity(), 's');
  const std::size_t needs = packed.body.size() + saved.state.size() + 1024;
  ASSERT_TRUE(pack_session(registry, 2, {.no_fd = true}, 0, saved, true, packed));
  EXPECT_GE(packed.body.capacity(), needs);
}

}  // namespace
}  // namespace handoff::io
