// What a service hears of a supervisor that has died.
#include "libhandoff/process/control_channel.h"

#include <gtest/gtest.h>

#include "libhandoff/protocol/messages.h"

namespace handoff::io {
namespace {

using protocol::Type;

TEST(ControlChannelTest, HearsWhatADeadSupervisorHadSaidAlsoIfItCouldNotBeAnswered) {
  auto pair = Channel::make_pair();
  ASSERT_TRUE(pair) << pair.error().message;
  ControlChannel control(std::move(pair->first));
  {
    Channel supervisor(std::move(pair->second));
    ASSERT_TRUE(supervisor.send(Type::kQuery, encode(protocol::Query{.id = 1})));
    ASSERT_TRUE(supervisor.send(Type::kQuery, encode(protocol::Query{.id = 2})));
  }
  Channel::Message message;
  for (const std::uint64_t id : {1, 2}) {
    const auto received = control.recv(message);
    ASSERT_TRUE(received) << received.error().message;
    ASSERT_EQ(Channel::Received::kMessage, *received);
    const auto query = protocol::decode<protocol::Query>(message.body);
    ASSERT_TRUE(query) << query.error().message;
    EXPECT_EQ(id, query->id);
    control.send(Type::kStatus, encode(protocol::Status{.query_id = id}));
    EXPECT_FALSE(control.closed());
    EXPECT_FALSE(control.wants_write());
  }
  const auto received = control.recv(message);
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(Channel::Received::kClosed, *received);
  EXPECT_TRUE(control.closed());
}

}  // namespace
}  // namespace handoff::io
