// What a donor on uv.hpp says of a session beside its bytes, read by each layer that owns
// connections.
#include <gtest/gtest.h>

#include <string>

#include "kits.h"
#include "support/peers/raw_peer.h"

namespace handoff::test {
namespace {

using protocol::Type;

constexpr std::uint32_t kPair = 2;
constexpr std::uint32_t kShut = 16;

class Echoing final : public Session {
 public:
  std::size_t input(std::string_view bytes) override {
    write(bytes);
    return bytes.size();
  }
};

class KitFlagsTest : public KitTest {
 protected:
  static void send_sessions(RawDonor& donor, std::uint32_t flags, const std::string& output) {
    donor.open_connections(1);
    donor.send_hello();
    donor.send_listeners();
    v1::Sessions sessions = donor.sessions(false);
    sessions.mutable_sessions(0)->set_layer_flags(flags);
    sessions.mutable_sessions(0)->set_output(output);
    send(donor.channel(), Type::kSessions, sessions, donor.session_fds());
  }
};
INSTANTIATE_TEST_SUITE_P(All, KitFlagsTest, ::testing::ValuesIn(kEachLayer), layers_of);

// Its packed bytes would be the client's input.
TEST_P(KitFlagsTest, ASessionThatTheLayerDoesNotUnderstandIsRefused) {
  for (const std::uint32_t flags : {kPair, std::uint32_t{1} << 20}) {
    RawDonor donor(heir(program_of<Echoing>()));
    send_sessions(donor, flags, "");
    expect_given_up(donor, v1::REJECTED);
  }
}

TEST_P(KitFlagsTest, AnEndBehindTheOutputIsKept) {
  RawDonor donor(heir(program_of<Echoing>()));
  send_sessions(donor, kShut, "bye\n");
  donor.send_copy_end();
  donor.send_prepare();
  send_raw(donor.channel(), Type::kRelease, "");
  donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("bye\n", next_line(donor.connection(0).client.get()));
  EXPECT_EQ("EOF", next_line(donor.connection(0).client.get()));
}

}  // namespace
}  // namespace handoff::test
