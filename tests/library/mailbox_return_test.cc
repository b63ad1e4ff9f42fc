// Services that come back by their mailbox: at once, without a path, as often as supervisors die.
#include "return_fixture.h"

namespace handoff::test {
namespace {

using MailboxReturnTest = ReturnTest;

TEST_F(MailboxReturnTest, AMailboxIsAWayBackWithoutAPathAndIsNotUsedUp) {
  start_with_mailbox();
  const auto before = open_files(service_->pid());
  for (int i = 0; i < 3; ++i) {
    cut(*service_);
    const auto hello = hear(*service_, post());
    EXPECT_EQ(1U, hello.generation());
    EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), hello.state());
    next_owner(*service_);
    expect_nothing_more_said(*service_);
    EXPECT_EQ(before.size(), open_files(service_->pid()).size());
  }
  RawHeir heir(*service_);
  heir.reach_copy_end();
  finish(heir);
  EXPECT_EQ(0U, service_->await_message<v1::Retired>(Type::kRetired).sessions());
}

TEST_F(MailboxReturnTest, ALetterThatCameInTimeIsReadLater) {
  start_with_mailbox();
  UniqueFd next = post();
  expect_nothing_more_said(*service_);  // it has a supervisor
  pollfd said{next.get(), POLLIN, 0};
  EXPECT_EQ(0, ::poll(&said, 1, 0));
  cut(*service_);
  hear(*service_, std::move(next));
  next_owner(*service_);
}

TEST_F(MailboxReturnTest, LettersOfSupervisorsThatHaveDiedAreNoWayBack) {
  start_with_mailbox({}, path());
  for (int i = 0; i < 3; ++i) post();
  cut(*service_);
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), welcome(*service_).state());
  next_owner(*service_);
  expect_nothing_more_said(*service_);
}

TEST_F(MailboxReturnTest, AFrozenDonorReadsItsMailboxOnceItIsDecided) {
  LineServiceOptions stays;
  stays.adjust = [](Service& service) { service.on_retired([](std::uint64_t) {}); };
  start_with_mailbox(stays);
  RawHeir heir(*service_, {.stall_us = 20'000'000, .budget_us = 20'000'000});
  heir.reach_prepare();
  cut(*service_);
  UniqueFd next = post();
  pollfd said{next.get(), POLLIN, 0};
  EXPECT_EQ(0, ::poll(&said, 1, 200)) << "it does nothing but the switch";
  heir.send_prepared();
  ASSERT_EQ(Type::kRelease, heir.next().type);
  EXPECT_EQ(0, ::poll(&said, 1, 50));
  send_raw(heir.channel(), Type::kResumed, "");
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_RETIRED), hear(*service_, std::move(next)).state());
  EXPECT_EQ(Type::kRetired, receive(service_->control()).type);
}

}  // namespace
}  // namespace handoff::test
