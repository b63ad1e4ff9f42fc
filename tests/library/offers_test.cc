// The listeners that a supervisor offers: listed, taken, given back, and those at another address.
// The service is in C terms.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/sys/socket.h"
#include "offers_fixture.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using StartFrame = ServiceProcess::StartFrame;

std::set<std::string> offered_to(const handoff_t* h) {
  std::set<std::string> out;
  const char* name = nullptr;
  const char* address = nullptr;
  for (std::size_t i = 0; handoff_offered(h, i, &name, &address) == 1; ++i) {
    out.insert(std::string(name) + "=" + address);
  }
  return out;
}

class OffersTest : public OffersFixture {
 protected:
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

}  // namespace
}  // namespace handoff::test
