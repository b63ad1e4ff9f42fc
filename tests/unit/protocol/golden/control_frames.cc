#include "control_frames.h"

#include <chrono>

#include "libhandoff/protocol/messages.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::golden {

core::Manifest manifest() {
  return {.service = "chat",
          .release = "2.0",
          .kinds = {{"session", false, 2, {1, 2}, {2, 1}}, {"rooms", true, 0, {3}, {3, 300}}},
          .named = {{"public", "tcp:127.0.0.1:7000", 4026531840, 9, 0}, {"log", "", 5, 64768, 1}}};
}

core::Manifest manifest_with_region() {
  protocol::Manifest m = manifest();
  m.kinds.push_back(
      {.name = "index", .version = 300, .reads = {2, 300}, .writes = {300}, .region = true});
  return m;
}

namespace {

using protocol::Type;
using namespace std::chrono_literals;

std::vector<protocol::Unmoved> unmoved() {
  return {{300, "tcp:127.0.0.1:4711", core::FaultOf::kOld, "save() says no"},
          {1099511628101, "", core::FaultOf::kNew, "restore() says no"}};
}

protocol::Owner owner() {
  protocol::Owner m;
  m.generation = 2;
  m.handoff_id = 77;
  m.named = manifest().named;
  m.sessions = 1000;
  m.lost = 2;
  m.lost_ids = {6, 700};
  m.frozen_at_ns = 123456789012345;
  m.running_at_ns = 123456792012345;
  m.blackout = {900, 2500, 2900, 3000};
  m.donor_died = true;
  return m;
}

protocol::Owner more_of_owner() {
  protocol::Owner m;
  m.generation = 2;
  m.named = {{"admin", "tcp:127.0.0.1:7001", 4026531841, 9, 0}};
  m.with_fds = true;
  m.more = true;
  return m;
}

protocol::Register giving_back() {
  protocol::Register m{1, 1, 3, manifest()};
  m.given_back = {{"admin", false}, {"old", true}};
  return m;
}

protocol::Register with_vault() {
  protocol::Register m{1, 1, 3, manifest()};
  m.vault = {.keeper_pid = 4712};
  return m;
}

protocol::Register without_vault() {
  protocol::Register m{1, 1, 3, manifest()};
  m.vault = {.refused = "the service has a section 'rooms', and a vault keeps none"};
  return m;
}

protocol::Start start_with_vault() {
  protocol::Start m;
  m.protocol_min = m.protocol_max = 1;
  m.service = "chat";
  m.generation = 3;
  m.listeners = {{"public", "tcp:127.0.0.1:7000", 4026531840, 9, 0}};
  m.vault = true;
  return m;
}

supervisor::HandoffEnd handoff_end(std::uint32_t first_fd) {
  return {.id = 77,
          .channel_index = first_fd,
          .peer_index = first_fd + 1,
          .peer_pid = 4711,
          .timeouts = {.freeze_budget = 250ms, .stall = 10s}};
}

supervisor::HandoffEnd draining_end(std::uint32_t first_fd) {
  auto out = handoff_end(first_fd);
  out.drain_incompatible = true;
  return out;
}

supervisor::HandoffEnd spreading_end(std::uint32_t first_fd) {
  auto out = handoff_end(first_fd);
  out.spread = 10;
  return out;
}

supervisor::HandoffEnd kept_end(std::uint32_t first_fd) {
  auto out = handoff_end(first_fd);
  out.donor_kept = true;
  return out;
}

supervisor::HandoffEnd claiming_end(std::uint32_t first_fd) {
  auto out = handoff_end(first_fd);
  out.claims = manifest();
  out.may = {.listeners = true, .sections = false, .sessions = true};
  return out;
}

supervisor::HandoffEnd dropping_end(std::uint32_t first_fd) {
  auto out = claiming_end(first_fd);
  out.may = {.listeners = false, .sections = true, .sessions = false};
  return out;
}

std::vector<protocol::LeftOut> left_out() {
  using core::Sort;
  return {{Sort::kListener, "admin"},
          {Sort::kFd, "log"},
          {Sort::kSection, "rooms"},
          {Sort::kRegion, "index"},
          {Sort::kSessions, "bulk", 300}};
}

std::vector<supervisor::NamedFd> listeners() {
  std::vector<supervisor::NamedFd> out;
  out.push_back({"public", "tcp:127.0.0.1:7000", 4026531840, 9});
  out.push_back({"admin", "unix:/run/chat.sock", 4026531841, 9});
  return out;
}

std::vector<supervisor::NamedFd> kept() {
  std::vector<supervisor::NamedFd> out;
  out.push_back({"metrics", "tcp:127.0.0.1:7001", 4026531842, 9});
  return out;
}

protocol::Owner shown_owner() {
  protocol::Owner out = owner();
  out.with_fds = true;
  return out;
}

protocol::Owner owner_since() {
  protocol::Owner out = owner();
  out.owned_at_ns = 123456791012345;
  return out;
}

protocol::Owner owner_whose_donor_keeps() {
  protocol::Owner out = owner_since();
  out.kept = 3;
  out.kept_ids = {7, 300, 1099511628101};
  return out;
}

supervisor::HandoffEnd rehearsal_end(std::uint32_t first_fd) {
  supervisor::HandoffEnd out = handoff_end(first_fd);
  out.rehearsal = true;
  return out;
}

protocol::Rehearsed rehearsed() {
  return {
      .handoff_id = 77,
      .complete = true,
      .from = manifest(),
      .to = protocol::Manifest{.service = "chat", .release = "3.0"},
      .sessions = 1000,
      .passed = 998,
      .refused = 2,
      .busy = 3,
      .findings = {{300, "session kind 'session'", "no such room"}, {0, "section 'rooms'", "?"}},
      .amounts = {{"session", false, 1000, 65536}, {"rooms", true, 2, 70000}},
      .spent_ns = 123456,
      .finish_ns = 789,
      .unsettled = 12,
      .early = true,
      .rss = 8388608,
      .pss = 4194304,
      .round_trip_ns = 54321};
}

protocol::Rehearsed rehearsed_with_region() {
  protocol::Rehearsed m = rehearsed();
  m.from = manifest_with_region();
  m.amounts.push_back({"index", false, 1, 1ULL << 40, true});
  return m;
}

protocol::Rehearsed rehearsed_with_sections() {
  protocol::Rehearsed m = rehearsed();
  m.sections_ns = 7654321;
  m.sections_unsettled = true;
  return m;
}

protocol::Rehearsed rehearsed_with_typical() {
  protocol::Rehearsed m = rehearsed();
  m.typical_ns = 321;
  return m;
}

protocol::Rehearsed rehearsed_without() {
  protocol::Rehearsed m = rehearsed();
  m.left_out = left_out();
  return m;
}

protocol::Retired retired_without() {
  protocol::Retired m{77, 123456792012345, 1000, 65536, 123456789012345};
  m.left_out = left_out();
  return m;
}

protocol::Late late_without() {
  protocol::Late m{77, 300, 2, 123456792012345, true, 1};
  m.left_out = left_out();
  return m;
}

protocol::Rehearsed rehearsed_with_unmovable() {
  protocol::Rehearsed m = rehearsed();
  m.findings[0].peer = "tcp:127.0.0.1:4711";
  m.unmovable = core::Unmovable::kClose;
  m.not_late = "a service with several lanes keeps none";
  m.too_large = 300;
  return m;
}

supervisor::HandoffEnd closing_end(std::uint32_t first_fd) {
  auto out = handoff_end(first_fd);
  out.unmovable = core::Unmovable::kClose;
  return out;
}

protocol::Retired retired_with_closed() {
  protocol::Retired m{77, 123456792012345, 1000, 65536, 123456789012345};
  m.unmoved = unmoved();
  m.closed = 300;
  return m;
}

protocol::Late late_with_unmovable() {
  protocol::Late m{77, 3, 2, 123456792012345, true, 1};
  m.unmoved = unmoved();
  m.unmovable = 300;
  return m;
}

protocol::Late late_with_staying() {
  protocol::Late m{77, 3, 2, 123456792012345, true, 1};
  m.staying = {{"tls", 2}, {"upload", 1}};
  return m;
}

protocol::Rehearsed rehearsed_with_staying() {
  protocol::Rehearsed m = rehearsed();
  m.staying = {{"tls", 2}, {"upload", 1}};
  m.untried = 300;
  return m;
}

protocol::Status status_of_one_that_leaves() {
  protocol::Status m{300, 1000, 2};
  m.leaving = protocol::Leaving{"nothing left to do"};
  return m;
}

std::vector<supervisor::Passed> passed(const std::vector<supervisor::NamedFd>& listeners) {
  std::vector<supervisor::Passed> out;
  for (const auto& one : listeners) {
    out.push_back({{one.name, one.address, one.inode, one.device}, 0});
  }
  return out;
}

std::string encode_start(const std::string& service, std::uint64_t generation,
                         const std::vector<supervisor::NamedFd>& listeners,
                         const std::string& report_path, bool mailbox = false,
                         const std::vector<supervisor::NamedFd>& kept = {}) {
  const supervisor::StartOf start{.service = service,
                                  .generation = generation,
                                  .report_path = report_path,
                                  .mailbox = mailbox ? 0 : -1};
  return supervisor::start_frames(start, {.listeners = passed(listeners), .kept = passed(kept)})
      .front()
      .body;
}

supervisor::StartOf heirs_start(const supervisor::HandoffEnd& end, const std::string& report_path,
                                bool mailbox) {
  return {.service = "chat",
          .generation = 4,
          .report_path = report_path,
          .heir = end,
          .heir_fds = {0, 0},
          .mailbox = mailbox ? 0 : -1};
}

std::string encode_start_heir(const supervisor::HandoffEnd& end, const std::string& report_path,
                              bool mailbox = false,
                              const std::vector<supervisor::NamedFd>& kept = {}) {
  return supervisor::start_frames(heirs_start(end, report_path, mailbox), {.kept = passed(kept)})
      .front()
      .body;
}

// Listeners that move, and the names of all that there are.
std::string start_with_moved() {
  supervisor::StartListeners listeners;
  listeners.moved.push_back({{"public", "tcp:127.0.0.1:7001", 40, 8}, 0});
  listeners.before.push_back({{"public", "tcp:127.0.0.1:7000", 41, 8}, 0});
  listeners.offered.push_back({{"public", "tcp:127.0.0.1:7000", 41, 8}, -1});
  return supervisor::start_frames(heirs_start(handoff_end(0), "", true), listeners).front().body;
}

// Of so many listeners that the first frame does not carry them.
std::vector<supervisor::StartFrame> start_of_many() {
  supervisor::StartListeners listeners;
  for (int i = 0; i < 252; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    listeners.listeners.push_back(
        {{"l" + std::to_string(i), "unix:@" + std::to_string(i), number, 8}, 0});
  }
  const supervisor::StartOf start{.service = "chat", .generation = 3, .mailbox = 0};
  return supervisor::start_frames(start, listeners);
}

std::vector<Frame> supervisor_frames() {
  return {
      {Type::kStart, "", 2, encode_start("chat", 3, listeners(), "")},
      {Type::kStart, "heir", 2, encode_start_heir(handoff_end(0), "")},
      {Type::kStart, "return", 2,
       encode_start("chat", 3, listeners(), "/run/handoff/services.sock")},
      {Type::kStart, "mailbox", 3,
       encode_start("chat", 3, listeners(), "/run/handoff/services.sock", true)},
      {Type::kStart, "rehearsal", 2, encode_start_heir(rehearsal_end(0), "")},
      {Type::kStart, "kept", 4,
       encode_start("chat", 3, listeners(), "/run/handoff/services.sock", true, kept())},
      {Type::kStart, "heir-kept", 4,
       encode_start_heir(handoff_end(0), "/run/handoff/services.sock", true, kept())},
      {Type::kStart, "donor-kept", 2, encode_start_heir(kept_end(0), "")},
      {Type::kStart, "moved", 5, start_with_moved()},
      {Type::kStart, "vault", 3, encode(start_with_vault())},
      {Type::kStart, "more", 251, start_of_many().at(0).body},
      {Type::kStart, "last", 2, start_of_many().at(1).body},
      {Type::kDonate, "", 3, supervisor::encode_donate(4, handoff_end(1))},
      {Type::kDonate, "may-sections", 3, supervisor::encode_donate(4, dropping_end(1))},
      {Type::kDonate, "claims", 3, supervisor::encode_donate(4, claiming_end(1))},
      {Type::kDonate, "rehearsal", 3, supervisor::encode_donate(4, rehearsal_end(1))},
      {Type::kStop, "", 0, supervisor::encode_stop(supervisor::Time(123456789012us))},
      {Type::kQuery, "", 0, supervisor::encode_query(300)},
      {Type::kQuery, "processes", 0, supervisor::encode_query(300, true)},
      {Type::kCancel, "", 0, supervisor::encode_cancel(77, "the operator gave up")},
      {Type::kDonate, "drain", 3, supervisor::encode_donate(4, draining_end(1))},
      {Type::kSpread, "", 0, supervisor::encode_spread(100)},
      {Type::kDonate, "spread", 3, supervisor::encode_donate(4, spreading_end(1))},
      {Type::kDonate, "unmovable", 3, supervisor::encode_donate(4, closing_end(1))},
      {Type::kRelink, "", 2, supervisor::encode_relink(3, 250ms)},
      {Type::kDrain, "", 0,
       supervisor::encode_drain(supervisor::Time(123456789012us),
                                supervisor::LateSessions::kClose)},
  };
}

std::vector<Frame> service_frames() {
  return {
      {Type::kRegister, "", 0, encode(protocol::Register{1, 1, 3, manifest()})},
      {Type::kRegister, "return", 0, encode(protocol::Register{1, 1, 3, manifest(), true, 3, 4})},
      {Type::kRegister, "rehearsal", 0,
       encode(protocol::Register{1, 1, 4, manifest(), false, 0, 0, true})},
      {Type::kRegister, "given-back", 0, encode(giving_back())},
      {Type::kRegister, "vault", 0, encode(with_vault())},
      {Type::kRegister, "unkept", 0, encode(without_vault())},
      {Type::kOwner, "", 0, encode(owner())},
      {Type::kOwner, "more", 1, encode(more_of_owner())},
      {Type::kOwner, "return", 2, encode(shown_owner())},
      {Type::kOwner, "owned-at", 0, encode(owner_since())},
      {Type::kOwner, "kept", 0, encode(owner_whose_donor_keeps())},
      {Type::kProgress, "", 0,
       encode(
           protocol::Progress{77, protocol::Phase::kSwitch, 123456789012345, 400, 1000, 65536, 2})},
      {Type::kFailed, "", 0,
       encode(protocol::Failed{77, {core::Code::kRejected, "restore() says no"}, 123456789012345})},
      {Type::kFailed, "of-peer", 0,
       encode(protocol::Failed{
           77, {core::Code::kRejected, "restore() says no", true}, 123456789012345})},
      {Type::kRetired, "", 0,
       encode(protocol::Retired{77, 123456792012345, 1000, 65536, 123456789012345, 5, true})},
      {Type::kRetired, "first-fd", 0,
       encode(protocol::Retired{77, 123456792012345, 1000, 65536, 123456789012345, 5, true,
                                123456700012345})},
      {Type::kRetired, "lost-ids", 0,
       encode(protocol::Retired{77,
                                123456792012345,
                                1000,
                                65536,
                                123456789012345,
                                3,
                                true,
                                123456700012345,
                                {7, 300, 1099511628101}})},
      {Type::kRetired, "left-out", 0, encode(retired_without())},
      {Type::kStatus, "", 0, encode(protocol::Status{300, 1000, 2})},
      {Type::kStatus, "leaving", 0, encode(status_of_one_that_leaves())},
      {Type::kStatus, "errors", 0, encode(protocol::Status{300, 1000, 2, 7})},
      {Type::kStatus, "processes", 0,
       encode(protocol::Status{300, 1000, 2, 7, {{4711, 1234567}, {4712, 1234568}}, true})},
      {Type::kHealth, "", 0, encode(protocol::Health{true, "all is well"})},
      {Type::kRehearsed, "", 0, encode(rehearsed())},
      {Type::kRehearsed, "region", 0, encode(rehearsed_with_region())},
      {Type::kRehearsed, "sections", 0, encode(rehearsed_with_sections())},
      {Type::kRehearsed, "staying", 0, encode(rehearsed_with_staying())},
      {Type::kRehearsed, "typical", 0, encode(rehearsed_with_typical())},
      {Type::kRehearsed, "left-out", 0, encode(rehearsed_without())},
      {Type::kRehearsed, "unmovable", 0, encode(rehearsed_with_unmovable())},
      {Type::kRetired, "closed", 0, encode(retired_with_closed())},
      {Type::kLate, "unmovable", 0, encode(late_with_unmovable())},
      {Type::kLate, "staying", 0, encode(late_with_staying())},
      {Type::kLate, "", 0, encode(protocol::Late{77, 3, 2, 123456792012345, true, 1})},
      {Type::kLate, "left-out", 0, encode(late_without())},
  };
}

}  // namespace

std::vector<Frame> control_frames() {
  auto out = supervisor_frames();
  for (auto& frame : service_frames()) out.push_back(std::move(frame));
  return out;
}

}  // namespace handoff::golden
