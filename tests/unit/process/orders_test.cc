#include "libhandoff/process/orders.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

using protocol::Type;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OrdersTest : public ::testing::Test, protected Orders {
 protected:
  void donate(const protocol::Donate& donate, std::vector<UniqueFd>& fds) override {
    done_.push_back("donate " + std::to_string(donate.handoff.id) + " with " +
                    std::to_string(fds.size()));
  }
  void stop(const protocol::Stop& stop) override {
    done_.push_back("stop " + std::to_string(stop.deadline_us));
  }
  void tell_status(const protocol::Query& query) override {
    done_.push_back("status " + std::to_string(query.id));
  }
  void relink(const protocol::Relink& relink, std::vector<UniqueFd>& fds) override {
    done_.push_back("relink " + std::to_string(relink.budget_us) + " with " +
                    std::to_string(fds.size()));
  }
  void spread(const protocol::Spread& spread) override {
    done_.push_back("spread " + std::to_string(spread.permille));
  }
  void drain(const protocol::Drain& drain) override {
    done_.push_back("drain " + std::to_string(drain.deadline_us));
  }
  void cancel(const protocol::Cancel& cancel) override {
    done_.push_back("cancel " + std::to_string(cancel.handoff_id) + ": " + cancel.reason);
  }

  Result<bool> order(Type type, const std::string& body, std::vector<UniqueFd> fds = {}) {
    Channel::Message message;
    message.header.type = type;
    message.body = body;
    message.fds = std::move(fds);
    return obey(message, *this);
  }
  void expect_order(Type type, const std::string& body, std::vector<UniqueFd> fds = {}) {
    const auto known = order(type, body, std::move(fds));
    ASSERT_TRUE(known) << known.error().message;
    EXPECT_TRUE(*known);
  }
  static std::vector<UniqueFd> two_fds() {
    std::vector<UniqueFd> fds;
    for (int i = 0; i < 2; ++i) fds.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return fds;
  }

  std::vector<std::string> done_;
};

TEST_F(OrdersTest, EachReachesWhatCarriesItOut) {
  protocol::Donate donate;
  donate.handoff.id = 7;
  expect_order(Type::kDonate, encode(donate), two_fds());
  expect_order(Type::kStop, encode(protocol::Stop{.deadline_us = 11}));
  expect_order(Type::kQuery, encode(protocol::Query{.id = 12}));
  expect_order(Type::kRelink, encode(protocol::Relink{.budget_us = 13}), two_fds());
  expect_order(Type::kSpread, encode(protocol::Spread{.permille = 14}));
  expect_order(Type::kDrain, encode(protocol::Drain{.deadline_us = 15}));
  expect_order(Type::kCancel, encode(protocol::Cancel{.handoff_id = 16, .reason = "so"}));
  EXPECT_THAT(done_, ElementsAre("donate 7 with 2", "stop 11", "status 12", "relink 13 with 2",
                                 "spread 14", "drain 15", "cancel 16: so"));
}

TEST_F(OrdersTest, ABrokenOneIsNotCarriedOut) {
  for (const Type type : {Type::kDonate, Type::kStop, Type::kQuery, Type::kRelink, Type::kSpread,
                          Type::kDrain, Type::kCancel}) {
    const auto known = order(type, "\xff");
    ASSERT_FALSE(known) << protocol::type_name(type);
    EXPECT_EQ(HANDOFF_ERR_PROTOCOL, known.error().code);
  }
  EXPECT_THAT(done_, IsEmpty());
}

TEST_F(OrdersTest, AMessageThatIsNoOrderIsTold) {
  for (const Type type : {Type::kAck, Type::kStart, static_cast<Type>(250)}) {
    const auto known = order(type, "");
    ASSERT_TRUE(known);
    EXPECT_FALSE(*known);
  }
  EXPECT_THAT(done_, IsEmpty());
}

}  // namespace
}  // namespace handoff::io
