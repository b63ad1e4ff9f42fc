#include "heard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "supervisor/processes/service_messages.h"

namespace handoff::golden {
namespace {

using supervisor::Heard;
using ::testing::ElementsAre;

template <class Event>
const Event& only_event(const Heard& heard) {
  static const Event none{};
  EXPECT_EQ(1U, heard.events.size());
  const Event* event = heard.events.empty() ? nullptr : std::get_if<Event>(&heard.events.front());
  EXPECT_NE(nullptr, event);
  return event != nullptr ? *event : none;
}

template <class Aside>
const Aside& aside(const Heard& heard) {
  static const Aside none{};
  const Aside* what = std::get_if<Aside>(&heard.aside);
  EXPECT_NE(nullptr, what);
  return what != nullptr ? *what : none;
}

// The supervisor knows the generation by the socket, and does not take the service's word for it.
constexpr supervisor::Generation kSender = 9;

void expect_register(const Heard& heard) {
  EXPECT_EQ(kSender, only_event<supervisor::Registered>(heard).generation);
  EXPECT_EQ("chat", aside<supervisor::ReleaseNamed>(heard).service);
  EXPECT_EQ("2.0", aside<supervisor::ReleaseNamed>(heard).release);
}

void expect_given_back(const Heard& heard) {
  expect_register(heard);
  EXPECT_THAT(aside<supervisor::ReleaseNamed>(heard).given_back, ElementsAre("admin", "old"));
  EXPECT_THAT(aside<supervisor::ReleaseNamed>(heard).drops, ElementsAre("old"));
}

void expect_more_of_owner(const Heard& heard) {
  EXPECT_TRUE(heard.events.empty());
  const auto& named = aside<supervisor::FdsNamed>(heard);
  EXPECT_TRUE(named.more);
  ASSERT_EQ(1U, named.fds.size());
  EXPECT_EQ("admin", named.fds[0].name);
  EXPECT_EQ(4026531841U, named.fds[0].inode);
}

void expect_owner(const Heard& heard) {
  const auto& owned = only_event<supervisor::Owned>(heard);
  EXPECT_EQ(kSender, owned.generation);
  EXPECT_EQ(77U, owned.handoff_id);
  EXPECT_EQ(1000U, owned.sessions);
  EXPECT_EQ(2U, owned.lost);
  EXPECT_THAT(owned.lost_ids, ElementsAre(6, 700));
  EXPECT_EQ(123456789012345U, owned.frozen_at_ns);
  EXPECT_EQ(123456792012345U, owned.running_at_ns);
  EXPECT_EQ(900U, owned.blackout.p50_us);
  EXPECT_EQ(2500U, owned.blackout.p99_us);
  EXPECT_EQ(2900U, owned.blackout.p999_us);
  EXPECT_EQ(3000U, owned.blackout.max_us);
  EXPECT_TRUE(owned.donor_died);
  const auto& fds = aside<supervisor::FdsNamed>(heard).fds;
  ASSERT_EQ(2U, fds.size());
  EXPECT_EQ("public", fds[0].name);
  EXPECT_EQ("tcp:127.0.0.1:7000", fds[0].address);
  EXPECT_EQ(4026531840U, fds[0].inode);
  EXPECT_EQ(9U, fds[0].device);
  EXPECT_EQ("log", fds[1].name);
}

void expect_owner_since(const Heard& heard) {
  expect_owner(heard);
  EXPECT_EQ(123456791012345U, only_event<supervisor::Owned>(heard).owned_at_ns);
}

void expect_owner_whose_donor_keeps(const Heard& heard) {
  expect_owner_since(heard);
  EXPECT_EQ(3U, only_event<supervisor::Owned>(heard).kept);
  EXPECT_THAT(only_event<supervisor::Owned>(heard).kept_ids, ElementsAre(7, 300, 1099511628101));
}

void expect_progress(const Heard& heard) {
  const auto& progress = only_event<supervisor::Progressed>(heard);
  EXPECT_EQ(kSender, progress.generation);
  EXPECT_EQ(77U, progress.handoff_id);
  EXPECT_EQ(supervisor::CopyPhase::kSwitch, progress.phase);
  EXPECT_EQ(123456789012345U, progress.at_ns);
  EXPECT_EQ(400U, progress.sessions_sent);
  EXPECT_EQ(1000U, progress.sessions_total);
  EXPECT_EQ(65536U, progress.bytes);
  EXPECT_EQ(2U, progress.round);
}

void expect_failed(const Heard& heard) {
  const auto& failed = only_event<supervisor::HandoffFailed>(heard);
  EXPECT_EQ(kSender, failed.generation);
  EXPECT_EQ(77U, failed.handoff_id);
  EXPECT_EQ("rejected", failed.code);
  EXPECT_EQ("restore() says no", failed.reason);
}

void expect_failed_itself(const Heard& heard) {
  expect_failed(heard);
  EXPECT_FALSE(only_event<supervisor::HandoffFailed>(heard).of_peer);
}

void expect_failed_of_peer(const Heard& heard) {
  expect_failed(heard);
  EXPECT_TRUE(only_event<supervisor::HandoffFailed>(heard).of_peer);
}

void expect_retired(const Heard& heard) {
  const auto& retired = only_event<supervisor::DonorRetired>(heard);
  EXPECT_EQ(kSender, retired.generation);
  EXPECT_EQ(77U, retired.handoff_id);
  EXPECT_EQ(1000U, retired.sessions);
  EXPECT_EQ(65536U, retired.bytes);
  EXPECT_EQ(5U, retired.lost);
  EXPECT_TRUE(retired.heir_died);
  EXPECT_EQ(123456792012345U, retired.at_ns);
}

void expect_first_fd(const Heard& heard) {
  expect_retired(heard);
  EXPECT_EQ(123456700012345U, only_event<supervisor::DonorRetired>(heard).first_fd_at_ns);
}

void expect_lost_ids(const Heard& heard) {
  const auto& retired = only_event<supervisor::DonorRetired>(heard);
  EXPECT_EQ(3U, retired.lost);
  EXPECT_EQ((std::vector<std::uint64_t>{7, 300, 1099511628101}), retired.lost_ids);
}

void expect_left_out(const std::vector<core::LeftOut>& left_out) {
  using core::Sort;
  EXPECT_THAT(
      left_out,
      ElementsAre(core::LeftOut{Sort::kListener, "admin"}, core::LeftOut{Sort::kFd, "log"},
                  core::LeftOut{Sort::kSection, "rooms"}, core::LeftOut{Sort::kRegion, "index"},
                  core::LeftOut{Sort::kSessions, "bulk", 300}));
}

void expect_retired_without(const Heard& heard) {
  expect_left_out(only_event<supervisor::DonorRetired>(heard).left_out);
}

void expect_late_without(const Heard& heard) {
  expect_left_out(only_event<supervisor::DonorLate>(heard).left_out);
}

void expect_rehearsed_without(const Heard& heard) {
  expect_left_out(aside<protocol::Rehearsed>(heard).left_out);
}

void expect_status(const Heard& heard) {
  EXPECT_TRUE(heard.events.empty());
  EXPECT_EQ(300U, aside<supervisor::SessionsCounted>(heard).query_id);
  EXPECT_EQ(1000U, aside<supervisor::SessionsCounted>(heard).sessions);
}

void expect_health(const Heard& heard) {
  const auto& health = only_event<supervisor::HealthHeard>(heard);
  EXPECT_EQ(kSender, health.generation);
  EXPECT_TRUE(health.healthy);
  EXPECT_EQ("", health.why) << "of one that is well";
}

void expect_late(const Heard& heard) {
  const auto& late = only_event<supervisor::DonorLate>(heard);
  EXPECT_EQ(kSender, late.generation);
  EXPECT_EQ(77U, late.handoff_id);
  EXPECT_EQ(3U, late.waiting);
  EXPECT_EQ(2U, late.moved);
  EXPECT_EQ(1U, late.closed);
  EXPECT_TRUE(late.linked);
  EXPECT_EQ(123456792012345U, late.at_ns);
}

void expect_unmoved(const std::vector<supervisor::Unmoved>& unmoved) {
  EXPECT_THAT(unmoved,
              ElementsAre(supervisor::Unmoved{300, "tcp:127.0.0.1:4711", false, "save() says no"},
                          supervisor::Unmoved{1099511628101, "", true, "restore() says no"}));
}

void expect_late_unmovable(const Heard& heard) {
  expect_late(heard);
  expect_unmoved(only_event<supervisor::DonorLate>(heard).unmoved);
  EXPECT_EQ(300U, only_event<supervisor::DonorLate>(heard).unmovable);
}

void expect_late_staying(const Heard& heard) {
  expect_late(heard);
  EXPECT_THAT(only_event<supervisor::DonorLate>(heard).staying,
              ElementsAre(core::Staying{"tls", 2}, core::Staying{"upload", 1}));
}

void expect_leaving(const Heard& heard) {
  const auto& leaves = only_event<supervisor::Leaves>(heard);
  EXPECT_EQ(kSender, leaves.generation);
  EXPECT_EQ("nothing left to do", leaves.why);
}

void expect_closed(const Heard& heard) {
  const auto& retired = only_event<supervisor::DonorRetired>(heard);
  EXPECT_EQ(1000U, retired.sessions);
  EXPECT_EQ(300U, retired.closed);
  expect_unmoved(retired.unmoved);
}

void expect_errors(const Heard& heard) {
  expect_status(heard);
  EXPECT_EQ(7U, aside<supervisor::SessionsCounted>(heard).errors);
}

void expect_processes(const Heard& heard) {
  expect_errors(heard);
  const auto& counted = aside<supervisor::SessionsCounted>(heard);
  ASSERT_EQ(2U, counted.processes.size());
  EXPECT_EQ(4712U, counted.processes[1].pid);
  EXPECT_EQ(1234568U, counted.processes[1].started);
  EXPECT_TRUE(counted.more);
}

void expect_return(const Heard& heard) {
  const auto& registered = only_event<supervisor::Registered>(heard);
  EXPECT_EQ(kSender, registered.generation);
  EXPECT_TRUE(registered.returning);
  EXPECT_EQ(4U, registered.handoff_id);
}

void expect_rehearsing(const Heard& heard) {
  const auto& registered = only_event<supervisor::Registered>(heard);
  EXPECT_EQ(kSender, registered.generation);
  EXPECT_FALSE(registered.returning);
  EXPECT_TRUE(registered.rehearsal);
}

void expect_rehearsed(const Heard& heard) {
  EXPECT_EQ(kSender, only_event<supervisor::Rehearsed>(heard).generation);
  EXPECT_EQ(77U, only_event<supervisor::Rehearsed>(heard).handoff_id);
  EXPECT_TRUE(only_event<supervisor::Rehearsed>(heard).complete);
  const auto& found = aside<protocol::Rehearsed>(heard);
  ASSERT_TRUE(found.from && found.to);
  ASSERT_EQ(2U, found.from->kinds.size());
  EXPECT_TRUE(found.from->kinds[1].section);
  EXPECT_THAT(found.from->kinds[1].writes, ElementsAre(3, 300));
  EXPECT_THAT(found.from->kinds[0].reads, ElementsAre(1, 2));
  EXPECT_EQ("tcp:127.0.0.1:7000", found.from->named.at(0).address);
  EXPECT_EQ("3.0", found.to->release);
  EXPECT_EQ(1000U, found.sessions);
  EXPECT_EQ(998U, found.passed);
  EXPECT_EQ(2U, found.refused);
  EXPECT_EQ(3U, found.busy);
  ASSERT_EQ(2U, found.findings.size());
  EXPECT_EQ(300U, found.findings[0].session);
  EXPECT_EQ("session kind 'session'", found.findings[0].what);
  EXPECT_EQ("no such room", found.findings[0].reason);
  ASSERT_EQ(2U, found.amounts.size());
  EXPECT_TRUE(found.amounts[1].section);
  EXPECT_EQ(70000U, found.amounts[1].bytes);
  EXPECT_EQ(123456U, found.spent_ns);
  EXPECT_EQ(789U, found.finish_ns);
  EXPECT_EQ(12U, found.unsettled);
  EXPECT_TRUE(found.early);
  EXPECT_EQ(8388608U, found.rss);
  EXPECT_EQ(4194304U, found.pss);
  EXPECT_EQ(54321U, found.round_trip_ns);
}

void expect_rehearsed_with_sections(const Heard& heard) {
  const auto& found = aside<protocol::Rehearsed>(heard);
  EXPECT_EQ(7654321U, found.sections_ns);
  EXPECT_TRUE(found.sections_unsettled);
}

void expect_rehearsed_with_typical(const Heard& heard) {
  expect_rehearsed(heard);
  EXPECT_EQ(321U, aside<protocol::Rehearsed>(heard).typical_ns);
}

void expect_rehearsed_with_staying(const Heard& heard) {
  expect_rehearsed(heard);
  const auto& found = aside<protocol::Rehearsed>(heard);
  EXPECT_THAT(found.staying, ElementsAre(core::Staying{"tls", 2}, core::Staying{"upload", 1}));
  EXPECT_EQ(300U, found.untried);
}

void expect_rehearsed_with_unmovable(const Heard& heard) {
  expect_rehearsed(heard);
  const auto& found = aside<protocol::Rehearsed>(heard);
  EXPECT_EQ("tcp:127.0.0.1:4711", found.findings.at(0).peer);
  EXPECT_EQ(core::Unmovable::kClose, found.unmovable);
  EXPECT_EQ("a service with several lanes keeps none", found.not_late);
  EXPECT_EQ(300U, found.too_large);
}

void expect_rehearsed_with_region(const Heard& heard) {
  const auto& found = aside<protocol::Rehearsed>(heard);
  ASSERT_TRUE(found.from);
  ASSERT_EQ(3U, found.from->kinds.size());
  EXPECT_FALSE(found.from->kinds[1].region);
  EXPECT_TRUE(found.from->kinds[2].region);
  EXPECT_FALSE(found.from->kinds[2].section);
  ASSERT_EQ(3U, found.amounts.size());
  EXPECT_FALSE(found.amounts[1].region);
  EXPECT_TRUE(found.amounts[2].region);
  EXPECT_EQ(1ULL << 40, found.amounts[2].bytes);
}

}  // namespace

void expect_heard(const std::string& name, protocol::Type type, const std::string& body) {
  static const std::map<std::string, void (*)(const Heard&)> kExpected = {
      {"Register.hex", expect_register},
      {"Owner.hex", expect_owner},
      {"Owner-more.hex", expect_more_of_owner},
      {"Register-given-back.hex", expect_given_back},
      {"Register-vault.hex", expect_register},
      {"Register-unkept.hex", expect_register},
      {"Register-return.hex", expect_return},
      {"Owner-return.hex", expect_owner},
      {"Owner-owned-at.hex", expect_owner_since},
      {"Owner-kept.hex", expect_owner_whose_donor_keeps},
      {"Progress.hex", expect_progress},
      {"Failed.hex", expect_failed_itself},
      {"Failed-of-peer.hex", expect_failed_of_peer},
      {"Retired-lost-ids.hex", expect_lost_ids},
      {"Retired.hex", expect_retired},
      {"Retired-left-out.hex", expect_retired_without},
      {"Late-left-out.hex", expect_late_without},
      {"Rehearsed-left-out.hex", expect_rehearsed_without},
      {"Status.hex", expect_status},
      {"Status-errors.hex", expect_errors},
      {"Status-processes.hex", expect_processes},
      {"Register-rehearsal.hex", expect_rehearsing},
      {"Health.hex", expect_health},
      {"Late.hex", expect_late},
      {"Rehearsed.hex", expect_rehearsed},
      {"Retired-first-fd.hex", expect_first_fd},
      {"Rehearsed-region.hex", expect_rehearsed_with_region},
      {"Rehearsed-sections.hex", expect_rehearsed_with_sections},
      {"Rehearsed-typical.hex", expect_rehearsed_with_typical},
      {"Rehearsed-unmovable.hex", expect_rehearsed_with_unmovable},
      {"Retired-closed.hex", expect_closed},
      {"Rehearsed-staying.hex", expect_rehearsed_with_staying},
      {"Status-leaving.hex", expect_leaving},
      {"Late-staying.hex", expect_late_staying},
      {"Late-unmovable.hex", expect_late_unmovable}};
  const auto expected = kExpected.find(name);
  ASSERT_NE(kExpected.end(), expected) << "what does the supervisor make of it?";
  const auto heard = supervisor::decode(type, body, kSender);
  ASSERT_TRUE(heard) << heard.error().message;
  expected->second(*heard);
}

}  // namespace handoff::golden
