#include "libhandoff/handoff/heir_lanes.h"

#include <algorithm>
#include <utility>

#include "libhandoff/copy/vault_record.h"

namespace handoff::io {
namespace {

using Order = HeirBoard::Order;
using Standing = HeirBoard::Standing;

}  // namespace

HeirLanes::HeirLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others,
                     Channel main, Rehearsal* rehearsal)
    : registry_(registry),
      others_(std::move(others)),
      board_(std::make_shared<HeirBoard>(Lane::pollers(poller, others_))),
      own_(registry) {
  own_.add_main(std::move(main), rehearsal);
  for (Lane* lane : others_) lane->begin(board_);
}

void HeirLanes::expect(const core::Lanes& lanes, std::vector<DonorKind> kinds,
                       std::uint64_t sessions, bool may_refuse) {
  lanes_ = lanes;
  kinds_ = std::move(kinds);
  may_refuse_ = may_refuse;
  main().received().set_may_refuse(may_refuse);
  main().received().set_kinds(kinds_);
  main().received().expect(sessions);
}

Result<void> HeirLanes::open(std::string_view body, std::vector<UniqueFd>& fds, bool rehearsal) {
  const auto message = protocol::decode<protocol::Lanes>(body);
  if (!message) return Failure(message.error());
  if (complete() || core::Lanes{message->donor, message->heir} != lanes_ ||
      fds.size() + 1 != lanes_.channels()) {
    return fail(HANDOFF_ERR_PROTOCOL, "Lanes: " + std::to_string(fds.size()) + " channels from " +
                                          std::to_string(message->donor) + " lanes to " +
                                          std::to_string(message->heir) + ", or again");
  }
  std::vector<std::vector<Channel>> parts(lanes_.heir);
  for (std::uint32_t c = 1; c < lanes_.channels(); ++c) {
    parts[lanes_.heir_lane(c)].emplace_back(std::move(fds[c - 1]));
  }
  opened_ = true;
  if (auto ok = own_.add(std::move(parts[0]), kinds_, rehearsal, may_refuse_); !ok) return ok;
  for (std::size_t i = 0; i < others_.size(); ++i) {
    auto channels = std::make_unique<HeirChannels>(others_[i]->registry());
    if (auto ok = channels->add(std::move(parts[i + 1]), kinds_, rehearsal, may_refuse_); !ok)
      return ok;
    others_[i]->take(std::move(channels));
  }
  return {};
}

std::uint32_t HeirLanes::round() const {
  std::uint32_t round = own_.round();
  board_->look([&](const Standing& lane) { round = std::min(round, lane.round); });
  return round;
}

bool HeirLanes::prepared() const {
  return own_.prepared() && board_->all([](const Standing& lane) { return lane.prepared; });
}

void HeirLanes::read_out() {
  // Lanes that have no channels have nothing to read.
  if (opened_) board_->order({.order = Order::kReadOut});
}

bool HeirLanes::read_out_done() const {
  return !opened_ || board_->all([](const Standing& lane) { return lane.read_out; });
}

Result<void> HeirLanes::restore() {
  board_->order({.order = Order::kRestore});
  return own_.restore();
}

Result<void> HeirLanes::give_up_pending() {
  board_->order({.order = Order::kRestore, .give_up = true});
  return own_.give_up_pending();
}

bool HeirLanes::restored() const {
  return board_->all([](const Standing& lane) { return lane.restored; });
}

// The other lanes first: they need not wait while lane 0 merges the sessions of its lines.
void HeirLanes::run(bool keep, bool donor_gone) {
  board_->order({.order = Order::kRun, .keep = keep, .donor_gone = donor_gone});
  own_.adopt(donor_gone);
}

void HeirLanes::count_vaults() {
  for (Lane* lane : others_) count_vault(lane->registry());
  count_vault(registry_);
}

bool HeirLanes::running() const {
  return board_->all([](const Standing& lane) { return lane.running; });
}

void HeirLanes::go(const std::string& why) {
  board_->order({.order = Order::kGo, .why = why});
  own_.drop();
}

std::optional<core::Reason> HeirLanes::failure() const { return board_->failure(); }

bool HeirLanes::progressed() {
  const std::uint64_t signs = own_.signs() + board_->signs();
  return std::exchange(signs_, signs) != signs;
}

std::uint64_t HeirLanes::sessions() const {
  return own_.sessions() + board_->sum(&Standing::sessions);
}

std::uint64_t HeirLanes::lost() const { return own_.lost() + board_->sum(&Standing::lost); }

std::vector<std::uint64_t> HeirLanes::lost_ids() const {
  std::vector<std::uint64_t> all = own_.lost_ids();
  board_->look([&](const Standing& lane) {
    all.insert(all.end(), lane.lost_ids.begin(), lane.lost_ids.end());
  });
  if (all.size() > SessionReceiver::kNamedLost) all.resize(SessionReceiver::kNamedLost);
  return all;
}

std::vector<protocol::Refusal> HeirLanes::take_refused() {
  std::vector<protocol::Refusal> all = own_.take_refused();
  board_->take([&](Standing& lane) {
    for (protocol::Refusal& one : std::exchange(lane.refusals, {})) all.push_back(std::move(one));
  });
  return all;
}
std::uint64_t HeirLanes::refused() const {
  return own_.refused() + board_->sum(&Standing::refused);
}
std::uint64_t HeirLanes::refused_in_all() const {
  return own_.refused_in_all() + board_->sum(&Standing::refused_in_all);
}
std::uint64_t HeirLanes::came() const { return own_.came() + board_->sum(&Standing::came); }

void HeirLanes::add_notes(Rehearsal& to) {
  own_.add_notes(to);
  board_->look([&](const Standing& lane) { to.add(lane.notes); });
}

}  // namespace handoff::io
