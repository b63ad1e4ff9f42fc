// Connections that a service has opened itself are sessions like those that it has accepted, on
// each layer.
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "handoff/handoff.h"
#include "kit_outgoing.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"
#include "upstream.h"

namespace handoff::test {
namespace {

using protocol::Type;

class OutgoingTest : public ::testing::TestWithParam<OutgoingLayers> {
 protected:
  static std::unique_ptr<ServiceProcess> start(const OutgoingOptions& options) {
    auto out = std::make_unique<ServiceProcess>(
        1, [options, layer = GetParam()] { return layer.donor(options); });
    out->await_message<v1::Owner>(Type::kOwner);
    return out;
  }
  static void hand_over(std::unique_ptr<ServiceProcess>& donor) {
    const OutgoingOptions options{.version = "2"};
    auto heir =
        start_heir(*donor, 2, [options, layer = GetParam()] { return layer.heir(options); });
    EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
  }
};
INSTANTIATE_TEST_SUITE_P(Layers, OutgoingTest, ::testing::ValuesIn(kOutgoingLayers),
                         ::testing::PrintToStringParamName());

TEST_P(OutgoingTest, AConnectionThatTheServiceHasOpenedMoves) {
  const UniqueFd listener = listen_on_loopback();
  auto owner = start({.version = "1", .upstream = address_of(listener)});
  const UniqueFd upstream = accept_from(listener);
  EXPECT_EQ("connected to by 1\n", next(upstream));
  send_all(upstream.get(), "one\nha");
  EXPECT_EQ("1 one\n", next(upstream));
  hand_over(owner);
  send_all(upstream.get(), "lf\n");
  EXPECT_EQ("2 half\n", next(upstream));
}

TEST_P(OutgoingTest, AConnectThatIsUnderWayMoves) {
  const UniqueFd listener = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(listener.get()));
  auto owner = start({.version = "1", .upstream = address_of(listener)});
  hand_over(owner);
  const UniqueFd taken = accept_from(listener);
  const UniqueFd upstream = accept_from(listener);
  EXPECT_EQ("connected to by 2\n", next(upstream));
}

TEST_P(OutgoingTest, ASocketThatTheServiceHadMoves) {
  const TempDir folder;
  const std::string path = folder / "upstream";
  const UniqueFd listener = listen_unix(path, SOCK_STREAM);
  auto owner = start({.version = "1", .adopts = path});
  const UniqueFd mine = accept_from(listener);
  send_all(mine.get(), "one\n");
  EXPECT_EQ("1 one\n", next(mine));
  hand_over(owner);
  send_all(mine.get(), "two\n");
  EXPECT_EQ("2 two\n", next(mine));
}

// closed() and moved() of each try to open another.
TEST_P(OutgoingTest, NoneIsOpenedOnceTheServiceStopsOrHasHandedOver) {
  const UniqueFd listener = listen_on_loopback();
  const std::string late = " " + std::to_string(HANDOFF_ERR_ORDER) + "\n";
  auto donor = start({.version = "1", .upstream = address_of(listener)});
  const UniqueFd upstream = accept_from(listener);
  EXPECT_EQ("connected to by 1\n", next(upstream));
  send_all(upstream.get(), "again\n");
  EXPECT_EQ("1 0\n", next(upstream));
  const UniqueFd second = accept_from(listener);
  EXPECT_EQ("connected to by 1\n", next(second));
  send_all(upstream.get(), "hold\n");
  EXPECT_EQ("1 hold\n", next(upstream));
  const OutgoingOptions options{.version = "2", .upstream = address_of(listener)};
  const auto heir =
      start_heir(*donor, 2, [options, layer = GetParam()] { return layer.heir(options); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, donor->await_message<v1::Late>(Type::kLate).waiting());
  send_all(upstream.get(), "again\n");
  EXPECT_EQ("1" + late, next(upstream));
  send_all(upstream.get(), "release\n");
  EXPECT_EQ("1 release\n", next(upstream));
  EXPECT_EQ(0, donor->wait());
  send_all(upstream.get(), "here\n");
  EXPECT_EQ("2 here\n", next(upstream));
  v1::Stop stop;
  stop.set_deadline_us(UINT64_MAX);
  send(heir->control(), Type::kStop, stop);
  EXPECT_EQ("EOF", next(upstream));
  EXPECT_EQ("EOF", next(second));
  EXPECT_EQ(0, heir->wait());
}

TEST_P(OutgoingTest, ARefusalIsTold) {
  const UniqueFd gone = listen_on_loopback();
  const std::string address = address_of(gone);
  ::shutdown(gone.get(), SHUT_RDWR);  // it listens no more, and its port is nobody else's
  ServiceProcess owner(1, [address, layer = GetParam()] {
    return layer.donor({.version = "1", .upstream = address});
  });
  EXPECT_EQ(42, owner.wait());
}

TEST(ConnectTest, SaysWhyItCanNotBegin) {
  EXPECT_EQ(-EINVAL, handoff_connect(nullptr));
  EXPECT_EQ(-EINVAL, handoff_connect("127.0.0.1:80"));
  EXPECT_EQ(-EINVAL, handoff_connect("udp:127.0.0.1:80"));
  EXPECT_EQ(-ENOENT, handoff_connect("unix:/nowhere/at.all"));
}

}  // namespace
}  // namespace handoff::test
