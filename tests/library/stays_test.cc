// Sessions that stay with their process by its word: they are counted by their reason, never move,
// and end with the drain.
#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "link_fixture.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

class StaysTest : public LinkTest {
 protected:
  // A line "stay" makes the session stay, and "move" lets it go.
  static LineServiceOptions service(const std::string& version, bool early = false) {
    LineServiceOptions options = holding(version);
    options.early_restore = early;
    options.stays = true;
    return options;
  }
  void connect(bool early = false) {
    donor_ = start(service("1", early));
    idle_ = std::make_unique<LineClient>(address_);
    stays_ = std::make_unique<LineClient>(address_);
    EXPECT_EQ("1 a\n", ask(*idle_, "a"));
    EXPECT_EQ("1 stay\n", ask(*stays_, "stay"));
  }
  static std::string reasons(const google::protobuf::RepeatedPtrField<v1::Staying>& all) {
    std::string out;
    for (const auto& one : all) out += one.why() + " " + std::to_string(one.sessions()) + ";";
    return out;
  }

  std::unique_ptr<ServiceProcess> donor_;
  std::unique_ptr<LineClient> idle_, stays_;
};

TEST_F(StaysTest, OneThatStaysIsCountedAndServedByTheDonorUntilItEnds) {
  for (const bool early : {false, true}) {
    generation_ = 0;
    connect(early);
    auto heir = hand_over(*donor_, service("2", early));
    EXPECT_EQ(1U, owner_.sessions());
    EXPECT_EQ(0U, owner_.lost());
    const auto late = donor_->await_message<v1::Late>(Type::kLate);
    EXPECT_EQ(1U, late.waiting());
    EXPECT_EQ(0U, late.unmovable());
    EXPECT_EQ("tls 1;", reasons(late.staying()));
    EXPECT_EQ("2 1\n", ask(*stays_, "who"));
    EXPECT_EQ("2 2\n", ask(*idle_, "who"));
    stays_.reset();
    donor_->await_message<v1::Retired>(Type::kRetired);
    EXPECT_EQ(0, donor_->wait());
  }
}

// A held session moves as it is at the end of the drain. This one can't.
TEST_F(StaysTest, AtTheEndOfTheDrainItIsReset) {
  connect();
  auto heir = hand_over(*donor_, service("2"));
  drain(*donor_, v1::LATE_MOVE, 0);
  EXPECT_EQ("RESET", stays_->line());
  const auto retired = donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor_->wait());
  EXPECT_EQ("2 2\n", ask(*idle_, "who"));
}

TEST_F(StaysTest, OneThatMayMoveAgainMoves) {
  connect();
  EXPECT_EQ("2 move\n", ask(*stays_, "move"));
  auto heir = hand_over(*donor_, service("2"));
  EXPECT_EQ(2U, owner_.sessions());
  EXPECT_EQ("3 2\n", ask(*stays_, "who"));
}

TEST_F(StaysTest, OneThatMayMoveAfterTheSwitchFollows) {
  connect();
  auto heir = hand_over(*donor_, service("2"));
  EXPECT_EQ("2 move\n", ask(*stays_, "move"));
  donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ("3 2\n", ask(*stays_, "who"));
}

// The copy has it already when its service says so.
TEST_F(StaysTest, ItMayBeSaidInTheFreeze) {
  LineServiceOptions one = service("1", true);
  one.adjust = [](Service& s) {
    Service* const service = &s;
    s.on_freeze([service] { service->session_stays(SessionId{1} << 40 | 1, "a late thought"); });
  };
  donor_ = start(one);
  LineClient client(address_);
  LineClient other(address_);
  EXPECT_EQ("1 a\n", ask(client, "a"));
  EXPECT_EQ("1 a\n", ask(other, "a"));
  auto heir = hand_over(*donor_, service("2", true));
  EXPECT_EQ(1U, owner_.sessions());
  EXPECT_EQ("a late thought 1;", reasons(donor_->await_message<v1::Late>(Type::kLate).staying()));
  EXPECT_EQ("2 1\n", ask(client, "who"));
  EXPECT_EQ("2 2\n", ask(other, "who"));
}

TEST_F(StaysTest, ARehearsalCountsItByItsReason) {
  connect();
  const auto two = service("2");
  auto heir = start_heir(*donor_, 2, [&] { return run_line_service(two); }, {.rehearsal = true});
  const auto said = donor_->await_message<v1::Rehearsed>(Type::kRehearsed);
  EXPECT_EQ(1U, said.busy()) << "as a supervisor from before counts it";
  EXPECT_EQ("tls 1;", reasons(said.staying()));
  EXPECT_EQ("2 1\n", ask(*stays_, "who"));
}

// Its service would hear nothing of a session that is left behind.
TEST_F(StaysTest, AServiceThatCantKeepSessionsIsToldSo) {
  LineServiceOptions one = service("1");
  one.holds = false;
  one.answer = [](const std::string&) { return std::string("here"); };
  donor_ = start(one);
  LineClient client(address_);
  EXPECT_THAT(ask(client, "stay"), HasSubstr("needs the callbacks late"));
}

}  // namespace
}  // namespace handoff::test
