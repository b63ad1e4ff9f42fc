// The listeners that a supervisor offers: listed, taken, given back, and those at another address.
// The service is in C terms.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <handoff/uv.hpp>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "handoff/handoff.h"
#include "handoff/poll.h"
#include "libhandoff/sys/socket.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using StartFrame = ServiceProcess::StartFrame;

void announce(v1::Named& named, const std::string& name, int fd, std::uint32_t index) {
  const auto identity = io::identity_of(fd);
  named.set_name(name);
  named.set_address(*io::bound_address(fd));
  named.set_inode(identity->inode);
  named.set_device(identity->device);
  named.set_fd_index(index);
}

// Exit status 2: a call did something else than is expected here.
int must(bool so) {
  if (!so) std::_Exit(2);
  return 0;
}
std::set<std::string> offered_to(const handoff_t* h) {
  std::set<std::string> out;
  const char* name = nullptr;
  const char* address = nullptr;
  for (std::size_t i = 0; handoff_offered(h, i, &name, &address) == 1; ++i) {
    out.insert(std::string(name) + "=" + address);
  }
  return out;
}

class OffersTest : public testing::Test {
 protected:
  OffersTest() {
    start_.set_protocol_min(1);
    start_.set_protocol_max(1);
    start_.set_service("test");
    start_.set_generation(1);
  }
  // declare: what the service does between handoff_open() and handoff_ready(); then: after
  // handoff_wait(). It serves until it is told to stop.
  std::unique_ptr<ServiceProcess> run(std::vector<StartFrame> starts,
                                      std::function<void(handoff_t*)> declare,
                                      std::function<void(handoff_t*)> then = {}) {
    body_ = [declare = std::move(declare), then = std::move(then)] {
      handoff_options options{};
      options.size = sizeof options;
      options.name = "test";
      options.version = "1";
      handoff_t* h = nullptr;
      must(handoff_open(&h, &options) == 0);
      declare(h);
      if (handoff_ready(h) < 0) return 3;
      must(handoff_wait(h, -1) == 0);
      if (then) then(h);
      must(handoff_dispatch(h) == 0);
      handoff_close(h);
      return 0;
    };
    return std::make_unique<ServiceProcess>(body_, starts);
  }
  std::string address(const UniqueFd& fd) const { return *io::bound_address(fd.get()); }

  v1::Start start_;
  UniqueFd a_ = listen_on_loopback();
  UniqueFd b_ = listen_on_loopback();
  std::function<int()> body_;
};

TEST_F(OffersTest, AServiceMayTakeWhateverItIsOffered) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_kept(), "b", b_.get(), 1);
  const std::set<std::string> all{"a=" + address(a_), "b=" + address(b_)};
  auto service = run({{start_, {a_.get(), b_.get()}}}, [all](handoff_t* h) {
    must(offered_to(h) == all);
    const char* name = nullptr;
    const char* where = nullptr;
    for (std::size_t i = 0; handoff_offered(h, i, &name, &where) == 1; ++i) {
      must(handoff_listener(h, name, where) == 0);
    }
    must(handoff_offered(h, 2, &name, nullptr) == 0 && name == nullptr);
  });
  const auto owner = service->await_message<v1::Owner>(Type::kOwner);
  ASSERT_EQ(owner.named_size(), 2);
  EXPECT_EQ(owner.named(0).inode(), io::identity_of(a_.get())->inode);
  EXPECT_EQ(owner.named(1).inode(), io::identity_of(b_.get())->inode);
  EXPECT_EQ(service->wait(), 0);
}

TEST_F(OffersTest, WhatIsNotWantedIsGivenBackAndSaidSo) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_listeners(), "b", b_.get(), 1);
  auto service = run({{start_, {a_.get(), b_.get()}}}, [](handoff_t* h) {
    must(handoff_give_back(h, "c", 0) == HANDOFF_ERR_UNKNOWN);
    must(handoff_give_back(h, "a", 2) == -EINVAL);
    must(handoff_give_back(h, nullptr, 0) == -EINVAL);
    must(handoff_give_back(h, "a", 0) == 0);
    must(handoff_give_back(h, "a", 0) == HANDOFF_ERR_DUPLICATE);
    must(handoff_listener(h, "a", "tcp:127.0.0.1:0") == HANDOFF_ERR_DUPLICATE);
    must(handoff_give_back(h, "b", HANDOFF_GIVE_BACK_CLOSE) == 0);
  });
  const auto said = service->await_message<v1::Register>(Type::kRegister);
  ASSERT_EQ(said.given_back_size(), 2);
  EXPECT_EQ(said.given_back(0).name(), "a");
  EXPECT_FALSE(said.given_back(0).drop());
  EXPECT_EQ(said.given_back(1).name(), "b");
  EXPECT_TRUE(said.given_back(1).drop());
  EXPECT_EQ(said.manifest().named_size(), 0);
  EXPECT_EQ(service->wait(), 0);
}

TEST_F(OffersTest, WhatIsNeitherDeclaredNorGivenBackKeepsItFromStarting) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  auto service = run({{start_, {a_.get()}}}, [](handoff_t*) {});
  EXPECT_EQ(service->wait(), 3);
}

TEST_F(OffersTest, AStartOfSeveralFramesIsReadToItsEnd) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  start_.set_more(true);
  v1::Start second;
  announce(*second.add_listeners(), "b", b_.get(), 0);
  announce(*second.add_before(), "a", b_.get(), 1);
  auto service = run(
      {{start_, {a_.get()}}, {second, {b_.get(), b_.get()}}},
      [](handoff_t* h) {
        must(offered_to(h).size() == 2);
        must(handoff_listener(h, "a", "tcp:127.0.0.1:0") == 0);
        must(handoff_listener(h, "b", "tcp:127.0.0.1:0") == 0);
      },
      [](handoff_t* h) {
        const int fd = handoff_take_earlier(h, "a");
        must(fd >= 0 && ::close(fd) == 0);
      });
  EXPECT_EQ(service->await_message<v1::Owner>(Type::kOwner).named_size(), 2);
  EXPECT_EQ(service->wait(), 0);
}

TEST_F(OffersTest, ASecondFrameThatIsNoStartIsRefused) {
  start_.set_more(true);
  body_ = [] {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "test";
    options.version = "1";
    handoff_t* h = nullptr;
    return handoff_open(&h, &options) == HANDOFF_ERR_PROTOCOL ? 0 : 1;
  };
  ServiceProcess service(body_, {{start_, {}}});
  send(service.control(), Type::kQuery, v1::Query());
  EXPECT_EQ(service.wait(), 0);
}

TEST_F(OffersTest, TheOtherAddressIsTheServicesOnceItHasAsked) {
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_before(), "a", b_.get(), 1);
  announce(*start_.add_before(), "unknown", b_.get(), 2);
  auto service = run(
      {{start_, {a_.get(), b_.get(), b_.get()}}},
      [](handoff_t* h) {
        must(handoff_listener(h, "a", "tcp:127.0.0.1:0") == 0);
        must(handoff_take_earlier(h, "a") == HANDOFF_ERR_ORDER);
      },
      [inode = io::identity_of(b_.get())->inode](handoff_t* h) {
        must(handoff_take_earlier(h, "b") == HANDOFF_ERR_UNKNOWN);
        const int fd = handoff_take_earlier(h, "a");
        must(fd >= 0 && io::identity_of(fd)->inode == inode);
        must(handoff_take_earlier(h, "a") == -ENOENT);
        must(::close(fd) == 0);
      });
  const auto owner = service->await_message<v1::Owner>(Type::kOwner);
  ASSERT_EQ(owner.named_size(), 1) << "it is no listener of its own";
  EXPECT_EQ(service->wait(), 0);
}

TEST_F(OffersTest, WithoutASupervisorNothingIsOffered) {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  handoff_t* h = nullptr;
  ASSERT_EQ(handoff_open(&h, &options), 0);
  EXPECT_EQ(handoff_offered(h, 0, nullptr, nullptr), 0);
  EXPECT_EQ(handoff_offered(nullptr, 0, nullptr, nullptr), -EINVAL);
  EXPECT_EQ(handoff_give_back(h, "a", 0), HANDOFF_ERR_UNKNOWN);
  handoff_close(h);
}

// ---- the layers that own listeners

class Echo : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return ""; }
};

int serve_by_uv() {
  return handoff::run([] {
    auto service = Service::open({.name = "test", .version = "1"});
    uv::Host host(uv_default_loop(), *service);
    must(host.listen_offered([] { return std::make_unique<Echo>(); },
                             [](std::string_view) { return std::make_unique<Echo>(); }) == 1);
    host.start();
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  });
}

int serve_by_poll() {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  handoff_t* h = nullptr;
  must(handoff_open(&h, &options) == 0);
  handoff_poll_t* p = nullptr;
  must(handoff_poll_open(&p, h, nullptr) == 0);
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
    handoff_conn_write(c, data, length);
    return length;
  };
  must(handoff_poll_listen_offered(p, nullptr, nullptr) == -EINVAL);
  must(handoff_poll_listen_offered(p, &ops, nullptr) == 1);
  must(handoff_poll_listen_offered(p, &ops, nullptr) == 0);
  must(handoff_poll_run(p) == 0);
  handoff_poll_close(p);
  handoff_close(h);
  return 0;
}

class KitOffersTest : public OffersTest, public testing::WithParamInterface<int (*)()> {
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
  body_ = GetParam();
  ServiceProcess service(body_, {{start_, {a_.get(), b_.get()}}});
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

int declare_on_lanes_by_uv() {
  auto service = Service::open({.name = "test", .version = "1", .lanes = 2});
  uv::Host first(uv_default_loop(), *service);
  uv_loop_t loop;
  uv_loop_init(&loop);
  uv::Host second(&loop, service->lane(1));
  const auto offered = [](uv::Host& host) {
    return host.listen_offered([] { return std::make_unique<Echo>(); },
                               [](std::string_view) { return std::make_unique<Echo>(); });
  };
  service->give_back("b");
  service->listener("c", "tcp:127.0.0.1:0");
  int early = 0;
  try {
    offered(second);
  } catch (const Exception& e) {
    early = e.code();
  }
  must(early == HANDOFF_ERR_ORDER);
  must(offered(first) == 1 && offered(second) == 1);
  must(offered(first) == 0 && offered(second) == 0);
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

TEST_F(OffersTest, ALayerTakesOnEachLaneWhatNobodyElseHas) {
  const UniqueFd c = listen_on_loopback();
  announce(*start_.add_listeners(), "a", a_.get(), 0);
  announce(*start_.add_listeners(), "b", b_.get(), 1);
  announce(*start_.add_listeners(), "c", c.get(), 2);
  for (int (*body)() : {&declare_on_lanes_by_uv, &declare_on_lanes_by_poll}) {
    ServiceProcess service(body, {{start_, {a_.get(), b_.get(), c.get()}}});
    EXPECT_EQ(service.wait(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Layers, KitOffersTest, testing::Values(&serve_by_uv, &serve_by_poll));

}  // namespace
}  // namespace handoff::test
