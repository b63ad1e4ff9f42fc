// Services whose supervisor is gone serve on. They come back to the one that listens at
// Start.report_path, and tell it who they are and what the last one may not have heard.
#include "return_fixture.h"

namespace handoff::test {
namespace {

TEST_F(ReturnTest, AnOwnerShowsItsListenersAndGoesOnAsBefore) {
  start();
  LineClient client(address_);
  client.send("a\n");
  ASSERT_EQ("1 a\n", client.line());
  const auto before = open_files(service_->pid());
  for (int i = 0; i < 3; ++i) {
    cut(*service_);
    client.send("b\n");
    EXPECT_EQ(std::to_string(i + 2) + " b\n", client.line());
    const auto hello = welcome(*service_);
    EXPECT_EQ(1U, hello.generation());
    EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), hello.state());
    EXPECT_EQ(0U, hello.handoff_id());
    const auto owner = next_owner(*service_);
    EXPECT_EQ(0U, owner.handoff_id());
    EXPECT_EQ(address_, owner.named(0).address());
    expect_nothing_more_said(*service_);
    EXPECT_EQ(before.size(), open_files(service_->pid()).size());
  }
  // The service obeys the new supervisor.
  RawHeir heir(*service_);
  heir.reach_copy_end();
  finish(heir);
  EXPECT_EQ(1U, service_->await_message<v1::Retired>(Type::kRetired).sessions());
}

TEST_F(ReturnTest, AnOwnerGoesOnTryingUntilSomebodyIsThere) {
  start();
  close_door();
  cut(*service_);
  LineClient client(address_);
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  open_door();
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), welcome(*service_).state());
  next_owner(*service_);
}

TEST_F(ReturnTest, OneThatIsTurnedAwayComesAgain) {
  start();
  cut(*service_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(readable(door_.get()));
    const UniqueFd turned_away(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(turned_away.valid());
  }
  welcome(*service_);
  next_owner(*service_);
  LineClient client(address_);
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
}

TEST_F(ReturnTest, ADonorInMidCopySaysInWhichHandoffItIsAndGoesThroughWithIt) {
  start();
  LineClient client(address_);
  client.send("a\n");
  ASSERT_EQ("1 a\n", client.line());
  RawHeir heir(*service_);
  heir.reach_copy_end();
  cut(*service_);
  const auto hello = welcome(*service_);
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_DONOR), hello.state());
  EXPECT_EQ(1U, hello.handoff_id());
  next_owner(*service_);
  finish(heir);
  EXPECT_EQ(1U, service_->await_message<v1::Retired>(Type::kRetired).sessions());
  EXPECT_EQ(0, service_->wait());
}

TEST_F(ReturnTest, ADonorWhoseHandoffFailedMeanwhileTellsIt) {
  start();
  RawHeir heir(*service_);
  heir.reach_copy_end();
  close_door();
  cut(*service_);
  heir.close_channel();
  heir.process().kill();
  // The service serves before the next supervisor comes.
  LineClient client(address_);
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  open_door();
  const auto hello = welcome(*service_);
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), hello.state());
  EXPECT_EQ(0U, hello.handoff_id());
  const auto failed = next<v1::Failed>(*service_, Type::kFailed);
  EXPECT_EQ(1U, failed.handoff_id());
  EXPECT_EQ(v1::PEER_DIED, failed.code());
  next_owner(*service_);
  expect_nothing_more_said(*service_);
}

TEST_F(ReturnTest, AnOutcomeThatWasToldIsToldToEverySupervisorThatComes) {
  start();
  {
    RawHeir heir(*service_);
    heir.reach_copy_end();
    heir.close_channel();
    heir.process().kill();
    service_->await_message<v1::Failed>(Type::kFailed);
  }
  for (int i = 0; i < 2; ++i) {
    cut(*service_);
    welcome(*service_);
    EXPECT_EQ(1U, next<v1::Failed>(*service_, Type::kFailed).handoff_id());
    next_owner(*service_);
  }
}

TEST_F(ReturnTest, ARetiredDonorSaysSoAndOwnsNothing) {
  LineServiceOptions stays;
  stays.adjust = [](Service& service) { service.on_retired([](std::uint64_t) {}); };
  start(stays);
  RawHeir heir(*service_);
  heir.reach_copy_end();
  finish(heir);
  service_->await_message<v1::Retired>(Type::kRetired);
  cut(*service_);
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_RETIRED), welcome(*service_).state());
  EXPECT_EQ(1U, next<v1::Retired>(*service_, Type::kRetired).handoff_id());
  expect_nothing_more_said(*service_);
}

// A frozen donor does nothing but the switch, so it comes back afterwards.
TEST_F(ReturnTest, AFrozenDonorComesBackOnceItIsDecided) {
  LineServiceOptions stays;
  stays.adjust = [](Service& service) { service.on_retired([](std::uint64_t) {}); };
  start(stays);
  RawHeir heir(*service_, {.stall_us = 20'000'000, .budget_us = 20'000'000});
  heir.reach_prepare();
  cut(*service_);
  // No event tells that nobody comes, so the test waits for 200 ms, ten times the first interval.
  pollfd knock{door_.get(), POLLIN, 0};
  EXPECT_EQ(0, ::poll(&knock, 1, 200)) << "ten times the first interval";
  heir.send_prepared();
  ASSERT_EQ(Type::kRelease, heir.next().type);
  EXPECT_EQ(0, ::poll(&knock, 1, 50));
  send_raw(heir.channel(), Type::kResumed, "");
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_RETIRED), welcome(*service_).state());
  next<v1::Retired>(*service_, Type::kRetired);
}

TEST_F(ReturnTest, AFrozenDonorThatThawsComesBackAsTheOwner) {
  start();
  RawHeir heir(*service_, {.stall_us = 20'000'000, .budget_us = 20'000'000});
  heir.reach_prepare();
  cut(*service_);
  heir.close_channel();
  heir.process().kill();
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), welcome(*service_).state());
  EXPECT_EQ(v1::PEER_DIED, next<v1::Failed>(*service_, Type::kFailed).code());
  next_owner(*service_);
}

// ---- heirs

TEST_F(ReturnTest, AnHeirSaysInWhichHandoffItIsAndBecomesTheOwner) {
  RawDonor donor([] { return run_line_service({}); }, {}, path());
  donor.heir().await_message<v1::Register>(Type::kRegister);
  donor.open_connections(1);
  donor.send_hello();
  cut(donor.heir());
  const auto hello = welcome(donor.heir());
  EXPECT_EQ(2U, hello.generation());
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_HEIR), hello.state());
  EXPECT_EQ(1U, hello.handoff_id());
  expect_nothing_more_said(donor.heir());
  donor.send_listeners();
  donor.send_sessions(false);
  donor.send_copy_end();
  donor.send_prepare();
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner.handoff_id());
  EXPECT_EQ(1U, owner.sessions());
  // Seen: it served at an address that only the supervisor before had bound.
  EXPECT_TRUE(owner.with_fds());
  ASSERT_EQ(1, owner.named_size());
  EXPECT_EQ(0U, owner.named(0).fd_index());
}

TEST_F(ReturnTest, AnHeirThatBecameTheOwnerMeanwhileTellsHow) {
  close_door();
  RawDonor donor([] { return run_line_service({}); }, {}, path());
  donor.heir().await_message<v1::Register>(Type::kRegister);
  donor.copy(2);
  cut(donor.heir());
  donor.send_copy_end();
  donor.send_prepare();
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  donor.close_sockets();
  // The heir serves without waiting for a supervisor.
  LineClient client(donor.port());
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  open_door();
  EXPECT_EQ(static_cast<unsigned>(HANDOFF_STATE_OWNER), welcome(donor.heir()).state());
  const auto owner = next_owner(donor.heir());
  EXPECT_EQ(1U, owner.handoff_id());
  EXPECT_EQ(2U, owner.sessions());
  EXPECT_FALSE(owner.donor_died());
}

TEST_F(ReturnTest, WhatItsDonorKeepsAnHeirSaysUntilThatSpeaksForItself) {
  LineServiceOptions options;
  options.holds = true;
  RawDonor donor([&] { return run_line_service(options); }, {}, path());
  donor.heir().await_message<v1::Register>(Type::kRegister);
  donor.copy(1);
  donor.send_copy_end();
  v1::Prepare prepare = donor.prepare();
  prepare.set_late(2);
  prepare.add_late_ids(70);
  prepare.add_late_ids(71);
  send(donor.channel(), Type::kPrepare, prepare, {donor.word()});
  EXPECT_EQ(Type::kPrepared, donor.next().type);
  send_raw(donor.channel(), Type::kRelease, "");
  EXPECT_EQ(Type::kResumed, donor.next().type);
  const auto owner = donor.heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(1U, owner.sessions());
  EXPECT_EQ(2U, owner.kept());
  ASSERT_EQ(2, owner.kept_ids_size());
  EXPECT_EQ(71U, owner.kept_ids(1));
  cut(donor.heir());
  welcome(donor.heir());
  EXPECT_EQ(2U, next_owner(donor.heir()).kept()) << "perhaps nobody has heard of the switch";

  EXPECT_EQ(Type::kLinkHello, donor.next().type);
  v1::LinkHello answer;
  answer.set_protocol_min(1);
  answer.set_protocol_max(1);
  answer.set_generation(1);
  answer.set_answer(true);
  answer.mutable_manifest()->set_service("test");
  send(donor.channel(), Type::kLinkHello, answer, {donor.process().pidfd()});
  expect_nothing_more_said(donor.heir());  // in the turn in which it reads that, too
  cut(donor.heir());
  welcome(donor.heir());
  const auto later = next_owner(donor.heir());
  EXPECT_EQ(1U, later.sessions());
  EXPECT_EQ(0U, later.kept());
  EXPECT_EQ(0, later.kept_ids_size());
}

TEST_F(ReturnTest, AnHeirThatFailsWhileNobodyIsThereGoes) {
  close_door();
  RawDonor donor([] { return run_line_service({}); }, {}, path());
  donor.heir().await_message<v1::Register>(Type::kRegister);
  donor.send_hello();
  cut(donor.heir());
  v1::Abort abort;
  abort.set_code(v1::CANCELLED);
  abort.set_reason("not today");
  send(donor.channel(), Type::kAbort, abort);
  EXPECT_EQ(3, donor.heir().wait());
}

}  // namespace
}  // namespace handoff::test
