// Listeners that a supervisor offers, on the layers that own listeners: served whatever they are,
// at both addresses of one that moves, and on each lane.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <asio/io_context.hpp>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <handoff/asio.hpp>
#include <handoff/uv.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>

#include "handoff/handoff.h"
#include "handoff/poll.h"
#include "offers_fixture.h"
#include "poll_kit.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

template <class Stream>
class Echo final : public Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    this->write(input);
    return input.size();
  }
  std::string save() const override { return ""; }
};

template <class Stream, class Host>
std::size_t listen_offered(Host& host) {
  return host.listen_offered([] { return std::make_unique<Echo<Stream>>(); },
                             [](std::string_view) { return std::make_unique<Echo<Stream>>(); });
}

int serve_by_asio() {
  return handoff::run([] {
    auto service = Service::open({.name = "test", .version = "1"});
    ::asio::io_context io;
    handoff::asio::Host host(io, *service);
    must(listen_offered<handoff::asio::Stream>(host) == 1);
    must(listen_offered<handoff::asio::Stream>(host) == 0);
    host.start();
    io.run();
  });
}

int serve_by_uv() {
  return handoff::run([] {
    auto service = Service::open({.name = "test", .version = "1"});
    uv::Host host(uv_default_loop(), *service);
    must(listen_offered<uv::Stream>(host) == 1);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}

int serve_by_poll() {
  const PollKit kit;
  handoff_poll_t* const p = kit.kit;
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
    handoff_conn_write(c, data, length);
    return length;
  };
  must(handoff_poll_listen_offered(p, nullptr, nullptr) == -EINVAL);
  must(handoff_poll_listen_offered(p, &ops, nullptr) == 1);
  must(handoff_poll_listen_offered(p, &ops, nullptr) == 0);
  return kit.run();
}

struct OffersLayer {
  const char* name;
  int (*serve)();
};
void PrintTo(const OffersLayer& layer, std::ostream* out) { *out << layer.name; }

class KitOffersTest : public OffersFixture, public testing::WithParamInterface<OffersLayer> {
 protected:
  static std::string ask(int port) {
    const UniqueFd client = connect_tcp(port);
    if (!client.valid()) return "refused";
    send_all(client.get(), "x\n");
    std::string answer(2, ' ');
    return ::recv(client.get(), answer.data(), 2, MSG_WAITALL) == 2 ? answer : "nothing";
  }
  static std::size_t sockets_of(const ServiceProcess& service) {
    std::size_t out = 0;
    for (const auto& fd :
         std::filesystem::directory_iterator("/proc/" + std::to_string(service.pid()) + "/fd")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(fd, gone).string().starts_with("socket:")) ++out;
    }
    return out;
  }
};

TEST_P(KitOffersTest, ServesBothAddressesAndClosesTheOneThatHasEnded) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_before(), "a", b_.get(), 1);
  ServiceProcess service(GetParam().serve, {{start_, {a_.get(), b_.get()}}});
  service.await(Type::kOwner);
  const int other = port_of(b_.get());
  EXPECT_EQ(ask(port_of(a_.get())), "x\n");
  EXPECT_EQ(ask(other), "x\n");
  const std::size_t before = sockets_of(service);
  ASSERT_EQ(::shutdown(b_.get(), SHUT_RDWR), 0);
  const Deadline deadline = Deadline::patience();
  while (sockets_of(service) >= before && !deadline.passed()) (void)ask(port_of(a_.get()));
  EXPECT_LT(sockets_of(service), before);
  EXPECT_EQ(ask(other), "refused");
  EXPECT_EQ(ask(port_of(a_.get())), "x\n");
  send(service.control(), Type::kStop, v1::Stop());
  EXPECT_EQ(service.wait(), 0);
}

// ---- what others have declared, or given back

template <class Stream, class Host>
void declare_on_lanes(Service& service, Host& first, Host& second) {
  service.give_back("b");
  service.listener("c", "tcp:127.0.0.1:0");
  int early = 0;
  try {
    (void)listen_offered<Stream>(second);
  } catch (const Exception& e) {
    early = e.code();
  }
  must(early == HANDOFF_ERR_ORDER);
  for (const std::size_t expected : {1U, 0U}) {
    must(listen_offered<Stream>(first) == expected);
    must(listen_offered<Stream>(second) == expected);
  }
}

int declare_on_lanes_by_uv() {
  auto service = Service::open({.name = "test", .version = "1", .lanes = 2});
  uv_loop_t loop;
  uv_loop_init(&loop);
  uv::Host first(uv_default_loop(), *service);
  uv::Host second(&loop, service->lane(1));
  declare_on_lanes<uv::Stream>(*service, first, second);
  return 0;
}

int declare_on_lanes_by_asio() {
  auto service = Service::open({.name = "test", .version = "1", .lanes = 2});
  ::asio::io_context one;
  ::asio::io_context two;
  handoff::asio::Host first(one, *service);
  handoff::asio::Host second(two, service->lane(1));
  declare_on_lanes<handoff::asio::Stream>(*service, first, second);
  return 0;
}

int declare_on_lanes_by_poll() {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  options.lanes = 2;
  handoff_t* h = nullptr;
  handoff_t* lane = nullptr;
  handoff_poll_t* first = nullptr;
  handoff_poll_t* second = nullptr;
  must(handoff_open(&h, &options) == 0 && handoff_lane(h, 1, &lane) == 0);
  must(handoff_poll_open(&first, h, nullptr) == 0 &&
       handoff_poll_open(&second, lane, nullptr) == 0);
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.input = [](handoff_conn_t*, const char*, std::size_t length) { return length; };
  must(handoff_give_back(h, "b", 0) == 0 && handoff_listener(h, "c", "tcp:127.0.0.1:0") == 0);
  must(handoff_poll_listen_offered(second, &ops, nullptr) == HANDOFF_ERR_ORDER);
  for (const int expected : {1, 0}) {
    must(handoff_poll_listen_offered(first, &ops, nullptr) == expected);
    must(handoff_poll_listen_offered(second, &ops, nullptr) == expected);
  }
  handoff_poll_close(second);
  handoff_poll_close(first);
  handoff_close(h);
  return 0;
}

class KitLaneOffersTest : public KitOffersTest {};

TEST_P(KitLaneOffersTest, ALayerTakesOnEachLaneWhatNobodyElseHas) {
  const UniqueFd c = listen_on_loopback();
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_listeners(), "b", b_.get(), 1);
  announce(*start_.add_listeners(), "c", c.get(), 2);
  ServiceProcess service(GetParam().serve, {{start_, {a_.get(), b_.get(), c.get()}}});
  EXPECT_EQ(service.wait(), 0);
}

INSTANTIATE_TEST_SUITE_P(Layers, KitOffersTest,
                         testing::Values(OffersLayer{"Uv", serve_by_uv},
                                         OffersLayer{"Poll", serve_by_poll},
                                         OffersLayer{"Asio", serve_by_asio}),
                         testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Layers, KitLaneOffersTest,
                         testing::Values(OffersLayer{"Uv", declare_on_lanes_by_uv},
                                         OffersLayer{"Poll", declare_on_lanes_by_poll},
                                         OffersLayer{"Asio", declare_on_lanes_by_asio}),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace handoff::test
