// Sessions that are held until some time: then they move as they are.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "libhandoff/sys/process.h"
#include "link_fixture.h"

namespace handoff::test {
namespace {

using protocol::Type;

class HoldUntilTest : public LinkTest {
 protected:
  static constexpr SessionId kFirst = SessionId{1} << 40 | 1;
  // A line "hold N" holds the first session for N milliseconds.
  static LineServiceOptions service(const std::string& version) {
    LineServiceOptions options = holding(version);
    options.adjust = [](Service& s) { own_ = &s; };
    options.answer = [](const std::string& line) -> std::optional<std::string> {
      if (!line.starts_with("hold ")) return std::nullopt;
      const auto until = io::now_us() + 1000 * std::stoll(line.substr(5));
      own_->session_hold_until(kFirst, static_cast<std::uint64_t>(until));
      return "held";
    };
    return options;
  }
  static Service* own_;
};
Service* HoldUntilTest::own_ = nullptr;

TEST_F(HoldUntilTest, ALateSessionMovesByItselfWhenItsTimeHasCome) {
  auto donor = start(service("1"));
  LineClient client(address_);
  EXPECT_EQ("held\n", ask(client, "hold 3600000"));
  auto heir = hand_over(*donor, service("2"));
  EXPECT_EQ(1U, waiting(*donor));
  EXPECT_EQ("held\n", ask(client, "hold 1")) << "it is the donor's";
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor->wait());
  EXPECT_EQ("3 2\n", ask(client, "who"));
}

TEST_F(HoldUntilTest, OneWhoseTimeIsOverIsNotHeldAtTheSwitch) {
  auto donor = start(service("1"));
  LineClient client(address_);
  EXPECT_EQ("held\n", ask(client, "hold -1"));
  auto heir = hand_over(*donor, service("2"));
  EXPECT_EQ(1U, owner_.sessions());
  EXPECT_EQ("2 2\n", ask(client, "who"));
}

// A plan counts it among those that move.
TEST_F(HoldUntilTest, OneWhoseTimeIsOverIsTriedByARehearsal) {
  auto donor = start(service("1"));
  LineClient client(address_);
  EXPECT_EQ("held\n", ask(client, "hold -1"));
  auto heir = start_heir(*donor, ++generation_, [] { return run_line_service(service("2")); },
                         {.rehearsal = true});
  EXPECT_EQ(1U, heir->await_message<v1::Rehearsed>(Type::kRehearsed).sessions());
  EXPECT_EQ(0U, donor->await_message<v1::Rehearsed>(Type::kRehearsed).busy());
}

TEST_F(HoldUntilTest, AHoldWithoutATimeIsHeldUntilItIsReleased) {
  auto donor = start(service("1"));
  LineClient client(address_);
  EXPECT_EQ("held\n", ask(client, "hold -1"));
  EXPECT_EQ("2 hold\n", ask(client, "hold"));
  auto heir = hand_over(*donor, service("2"));
  EXPECT_EQ(1U, waiting(*donor));
  EXPECT_EQ("3 release\n", ask(client, "release"));
  donor->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ("4 2\n", ask(client, "who"));
}

}  // namespace
}  // namespace handoff::test
