#include "libhandoff/handoff/donor_lanes.h"

#include <set>
#include <utility>

#include "libhandoff/base/text.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"

namespace handoff::io {
namespace {

using Order = DonorBoard::Order;
using Standing = DonorBoard::Standing;

}  // namespace

DonorLanes::DonorLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others,
                       Channel main, bool rehearsal)
    : registry_(registry),
      others_(std::move(others)),
      board_(std::make_shared<DonorBoard>(Lane::pollers(poller, others_))),
      own_(registry) {
  own_.add_main(std::move(main), rehearsal);
}

DonorLanes::~DonorLanes() { over(); }

Result<void> DonorLanes::open(const core::Lanes& lanes, const Terms& terms, bool rehearsal) {
  unmovable_ = terms.unmovable;
  main().set_terms(terms, lanes.share(0));
  if (lanes.channels() == 1) return {};  // the heir has it
  std::vector<std::vector<DonorChannels::Part>> parts(lanes.donor);
  std::vector<UniqueFd> theirs;
  std::vector<int> fds;
  for (std::uint32_t c = 1; c < lanes.channels(); ++c) {
    auto pair = Channel::make_pair();
    if (!pair) return Failure(pair.error());
    // Without a side: failpoints are for the main channel.
    parts[lanes.donor_lane(c)].push_back({lanes.share(c), Channel(std::move(pair->first))});
    fds.push_back(pair->second.get());
    theirs.push_back(std::move(pair->second));
  }
  const auto sent = main().channel().send(protocol::Type::kLanes,
                                          encode(protocol::Lanes{lanes.donor, lanes.heir}), fds);
  if (!sent) return Failure(sent.error());
  if (*sent == Channel::Sent::kFdsInFlight || *sent == Channel::Sent::kWouldBlock) {
    return fail(-ETOOMANYREFS, "the channels of the lanes can't be passed on now");
  }
  if (auto ok = own_.add(std::move(parts[0]), terms, rehearsal); !ok) return ok;
  for (std::size_t i = 0; i < others_.size(); ++i) {
    auto channels = std::make_unique<DonorChannels>(others_[i]->registry());
    if (auto ok = channels->add(std::move(parts[i + 1]), terms, rehearsal); !ok) return ok;
    others_[i]->give(board_, std::move(channels));
  }
  return {};
}

Result<void> DonorLanes::begin_round(std::uint32_t round) {
  round_ = round;
  board_->order({.order = Order::kCopy, .round = round});
  return own_.begin(round == 1 ? Round::kFirst : Round::kAgain);
}

bool DonorLanes::round_sent() const {
  return own_.sent() && board_->all([this](const Standing& lane) { return lane.round == round_; });
}

void DonorLanes::freeze(core::Time frozen_at, core::Duration budget) {
  board_->order(
      {.order = Order::kFreeze, .round = round_, .frozen_at = frozen_at, .budget = budget});
}

bool DonorLanes::frozen() const {
  return board_->all([](const Standing& lane) { return lane.frozen; });
}

Result<void> DonorLanes::save() {
  board_->order({.order = Order::kSave, .round = round_, .refused = refused_});
  return own_.begin(Round::kFrozen);
}

bool DonorLanes::saved() const {
  return own_.saved() && board_->all([](const Standing& lane) { return lane.saved; });
}

void DonorLanes::over() {
  if (retired_) return;
  if (!std::exchange(over_, true)) set_nonblocking_again(registry_, true);
  own_.stop_watching();
  board_->order({.order = Order::kOver, .round = round_});
}

void DonorLanes::retire_others(bool heir_lost, bool stays) {
  retired_ = true;
  board_->order({.order = stays ? Order::kStay : Order::kRetire,
                 .round = round_,
                 .heir_lost = heir_lost,
                 .refused = refused_});
}

void DonorLanes::refused(const std::vector<protocol::Refusal>& refusals, bool after_delta) {
  if (refusals.empty()) return;
  own_.refused(refusals, after_delta);
  if (others_.empty()) return;
  auto all = std::make_shared<std::vector<protocol::Refusal>>();
  if (refused_) *all = *refused_;
  for (const protocol::Refusal& one : refusals) {
    if (registry_.sessions.contains(one.id)) continue;
    all->push_back(one);
    if (after_delta) ++refused_late_;
  }
  refused_ = std::move(all);
}

std::vector<protocol::Unmoved> DonorLanes::first_left() const {
  std::vector<protocol::Unmoved> all = own_.first_left();
  board_->look(
      [&](const Standing& lane) { all.insert(all.end(), lane.left.begin(), lane.left.end()); });
  // What another lane's heir refused after the delta; only that lane could say of which peer.
  if (refused_) {
    std::set<std::uint64_t> known;
    for (const protocol::Unmoved& one : all) known.insert(one.session);
    for (const protocol::Refusal& one : *refused_) {
      if (known.contains(one.id)) continue;
      all.push_back(
          {one.id, "", core::FaultOf::kNew, printable(one.reason, protocol::kMaxRefusal)});
    }
  }
  if (all.size() > protocol::kMaxUnmovable) all.resize(protocol::kMaxUnmovable);
  return all;
}

std::vector<std::uint64_t> DonorLanes::first_staying() const {
  std::vector<std::uint64_t> all = own_.first_staying();
  board_->look([&](const Standing& lane) {
    all.insert(all.end(), lane.staying.begin(), lane.staying.end());
  });
  if (all.size() > protocol::kMaxLostIds) all.resize(protocol::kMaxLostIds);
  return all;
}

std::vector<std::uint64_t> DonorLanes::first_closing() const {
  std::vector<std::uint64_t> out;
  if (unmovable_ != core::Unmovable::kClose) return out;
  for (const protocol::Unmoved& one : first_left()) out.push_back(one.session);
  return out;
}

void DonorLanes::retire() {
  if (board_->retire(0)) registry_.close_named();
}

std::optional<core::Reason> DonorLanes::failure() const { return board_->failure(); }

bool DonorLanes::progressed() {
  const std::uint64_t signs = own_.signs() + board_->signs();
  return std::exchange(signs_, signs) != signs;
}

std::uint64_t DonorLanes::sessions() const {
  std::uint64_t all = registry_.sessions.size();
  for (const Lane* lane : others_) all += lane->sessions();
  return all;
}
std::uint64_t DonorLanes::own_fds() const {
  std::uint64_t all = registry_.sessions.fds().count();
  for (const Lane* lane : others_) all += lane->own_fds();
  return all;
}
std::uint64_t DonorLanes::untracked() const {
  std::uint64_t all = registry_.sessions.untracked();
  for (const Lane* lane : others_) all += lane->untracked();
  return all;
}

Progress DonorLanes::progress() const {
  Progress all = own_.progress();
  all += board_->progress();
  const std::uint64_t refused = std::min(refused_late_, all.at_heir);
  all.at_heir -= refused;
  (unmovable_ == core::Unmovable::kClose ? all.closing : all.staying) += refused;
  return all;
}

void DonorLanes::add_notes(Rehearsal& to) const {
  to.add(own_.notes());
  board_->look([&](const Standing& lane) { to.add(lane.notes); });
}

}  // namespace handoff::io
