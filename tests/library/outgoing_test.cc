// Connections that a service has opened itself are sessions like those that it has accepted: on
// uv.hpp, and on poll.h.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <handoff/poll.h>
#include <cstring>
#include <handoff/uv.hpp>
#include <memory>
#include <string>

#include "support/clients/sockets.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"
#include "upstream.h"

namespace handoff::test {
namespace {

using protocol::Type;

struct Options {
  std::string version = "1";
  std::string upstream = "tcp:127.0.0.1:1";
  std::string adopts = "";  // a Unix listener: in place of connecting by the library
};

// ---- on uv.hpp: says "VERSION LINE" to each line, and its version when it is connected

class Outgoing final : public uv::Stream {
 public:
  Outgoing(std::string version, std::string upstream)
      : version_(std::move(version)), upstream_(std::move(upstream)) {}
  std::size_t on_input(std::string_view input) override {
    const auto end = input.find('\n');
    if (end == std::string_view::npos) return 0;
    const std::string line(input.substr(0, end + 1));
    if (line == "hold\n") hold();
    if (line == "release\n") release();
    write(version_ + " " + (line == "again\n" ? std::to_string(again()) + "\n" : line));
    return end + 1;
  }
  // Tries to open another, and returns the error.
  int again() {
    try {
      host().connect("uplink", upstream_, std::make_unique<Outgoing>(version_, upstream_));
      return 0;
    } catch (const Exception& e) {
      return e.code();
    }
  }
  void on_closed() override { again(); }
  void on_moved() override { again(); }
  void on_connected() override { write("connected to by " + version_ + "\n"); }
  void on_refused(int error) override { ::_exit(error == ECONNREFUSED ? 42 : 43); }
  std::string save() const override { return "s"; }

 private:
  std::string version_;
  std::string upstream_;
};

int run_on_uv(const Options& options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = options.version});
  uv::Host host(&loop, *service);
  const auto make = [&](std::string_view) {
    return std::make_unique<Outgoing>(options.version, options.upstream);
  };
  host.outgoing("uplink", make);
  try {
    host.start();
  } catch (const Exception& e) {
    if (e.code() == HANDOFF_ERR_ABORTED) return 3;
    throw;
  }
  if (service->generation() == 1) {
    if (!options.adopts.empty()) {
      host.adopt("uplink", connect_unix(options.adopts, SOCK_STREAM).release(), make(""));
    } else {
      try {
        host.connect("uplink", options.upstream, make(""));
      } catch (const Exception& e) {
        return e.code() == -ECONNREFUSED ? 42 : 43;  // told at once
      }
    }
    bool unknown = false;
    try {
      host.connect("another", options.upstream, make(""));
    } catch (const Exception& e) {
      unknown = e.code() == HANDOFF_ERR_UNKNOWN;
    }
    if (!unknown || host.size() != 1) return 4;
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

// ---- on poll.h, alike

const Options& options_of(const handoff_conn_t* c) {
  return *static_cast<const Options*>(handoff_conn_context(c));
}
const char* version_of(const handoff_conn_t* c) { return options_of(c).version.c_str(); }
int again(handoff_conn_t* c) {
  handoff_conn_t* out = nullptr;
  return handoff_poll_connect(handoff_conn_poll(c), "uplink", options_of(c).upstream.c_str(),
                              nullptr, &out);
}

int run_on_poll(const Options& options) {
  handoff_options of{};
  of.size = sizeof of;
  of.name = "test";
  of.version = options.version.c_str();
  handoff_t* h = nullptr;
  handoff_poll_t* p = nullptr;
  if (handoff_open(&h, &of) < 0 || handoff_poll_open(&p, h, nullptr) < 0) return 2;
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.kind = "uplink";
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) -> std::size_t {
    const auto* const end = static_cast<const char*>(std::memchr(data, '\n', length));
    if (end == nullptr) return 0;
    const auto size = static_cast<std::size_t>(end - data) + 1;
    const std::string line(data, size);
    if (line == "hold\n") handoff_conn_hold(c);
    if (line == "release\n") handoff_conn_release(c);
    const std::string said = line == "again\n" ? std::to_string(again(c)) + "\n" : line;
    handoff_conn_printf(c, "%s %s", version_of(c), said.c_str());
    return size;
  };
  ops.closed = ops.moved = [](handoff_conn_t* c) { again(c); };
  ops.connected = [](handoff_conn_t* c) {
    handoff_conn_printf(c, "connected to by %s\n", version_of(c));
  };
  ops.refused = [](handoff_conn_t*, int error) { ::_exit(error == ECONNREFUSED ? 42 : 43); };
  auto* const context = const_cast<Options*>(&options);
  if (handoff_poll_outgoing(p, &ops, context) < 0) return 2;
  if (handoff_poll_outgoing(p, &ops, context) != HANDOFF_ERR_DUPLICATE) return 4;
  handoff_conn_t* c = nullptr;
  if (handoff_poll_connect(p, "uplink", options.upstream.c_str(), nullptr, &c) !=
      HANDOFF_ERR_ORDER) {
    return 4;
  }
  if (const int result = handoff_poll_start(p); result < 0) {
    return result == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
  if (handoff_generation(h) == 1) {
    const int result =
        !options.adopts.empty()
            ? handoff_poll_adopt(p, "uplink", connect_unix(options.adopts, SOCK_STREAM).release(),
                                 nullptr, &c)
            : handoff_poll_connect(p, "uplink", options.upstream.c_str(), nullptr, &c);
    if (result == -ECONNREFUSED) return 42;  // told at once
    if (result < 0 || c == nullptr) return 2;
    if (handoff_poll_connect(p, "another", options.upstream.c_str(), nullptr, &c) !=
            HANDOFF_ERR_UNKNOWN ||
        handoff_poll_count(p) != 1) {
      return 4;
    }
  }
  const int result = handoff_poll_run(p);
  handoff_poll_close(p);
  handoff_close(h);
  return result;
}

struct Layer {
  const char* name;
  int (*donor)(const Options&);
  int (*heir)(const Options&);
};
void PrintTo(const Layer& layer, std::ostream* out) { *out << layer.name; }

class OutgoingTest : public ::testing::TestWithParam<Layer> {
 protected:
  static std::unique_ptr<ServiceProcess> start(const Options& options) {
    auto out = std::make_unique<ServiceProcess>(
        1, [options, layer = GetParam()] { return layer.donor(options); });
    out->await_message<v1::Owner>(Type::kOwner);
    return out;
  }
  static void hand_over(std::unique_ptr<ServiceProcess>& donor) {
    const Options options{.version = "2"};
    auto heir =
        start_heir(*donor, 2, [options, layer = GetParam()] { return layer.heir(options); });
    EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
    EXPECT_EQ(0, donor->wait());
    donor = std::move(heir);
  }
};
INSTANTIATE_TEST_SUITE_P(Layers, OutgoingTest,
                         ::testing::Values(Layer{"Uv", run_on_uv, run_on_uv},
                                           Layer{"Poll", run_on_poll, run_on_poll},
                                           Layer{"UvToPoll", run_on_uv, run_on_poll},
                                           Layer{"PollToUv", run_on_poll, run_on_uv}),
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
  const Options options{.version = "2", .upstream = address_of(listener)};
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
