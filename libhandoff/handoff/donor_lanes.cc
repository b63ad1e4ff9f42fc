#include "libhandoff/handoff/donor_lanes.h"

#include <utility>

namespace handoff::io {
namespace {

using Order = DonorBoard::Order;
using Standing = DonorBoard::Standing;

}  // namespace

DonorLanes::DonorLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others)
    : registry_(registry),
      others_(std::move(others)),
      board_(std::make_shared<DonorBoard>(Lane::pollers(poller, others_))) {}

DonorLanes::~DonorLanes() { over(); }

Result<void> DonorLanes::open(const core::Lanes& lanes, Channel& main, Copier& main_copier,
                              const Copier::Terms& terms, bool rehearsal) {
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
  const auto sent =
      main.send(protocol::Type::kLanes, encode(protocol::Lanes{lanes.donor, lanes.heir}), fds);
  if (!sent) return Failure(sent.error());
  if (*sent == Channel::Sent::kFdsInFlight || *sent == Channel::Sent::kWouldBlock) {
    return fail(-ETOOMANYREFS, "the channels of the lanes can't be passed on now");
  }
  main_copier.set_part(lanes.share(0), true);
  main_copier.hold_prepare();
  if (!parts[0].empty()) {
    auto own = DonorChannels::make(registry_, std::move(parts[0]), terms, rehearsal, &main_copier);
    if (!own) return Failure(own.error());
    own_ = std::move(*own);
  }
  for (std::size_t i = 0; i < others_.size(); ++i) {
    auto channels = DonorChannels::make(others_[i]->registry(), std::move(parts[i + 1]), terms,
                                        rehearsal, nullptr);
    if (!channels) return Failure(channels.error());
    others_[i]->give(board_, std::move(*channels));
  }
  return {};
}

std::optional<int> DonorLanes::fd() const {
  return own_ ? std::optional<int>(own_->fd()) : std::nullopt;
}

Result<bool> DonorLanes::turn(core::Pace::Turn turn) { return own_ ? own_->turn(turn) : false; }

Result<void> DonorLanes::begin_round(std::uint32_t round) {
  round_ = round;
  board_->order({.order = Order::kCopy, .round = round});
  if (!own_) return {};
  return own_->begin(round == 1 ? Copier::Round::kFirst : Copier::Round::kAgain);
}

bool DonorLanes::round_sent() const {
  return (!own_ || own_->sent()) &&
         board_->all([this](const Standing& lane) { return lane.round == round_; });
}

void DonorLanes::freeze() { board_->order({.order = Order::kFreeze, .round = round_}); }

bool DonorLanes::frozen() const {
  return board_->all([](const Standing& lane) { return lane.frozen; });
}

Result<void> DonorLanes::save() {
  board_->order({.order = Order::kSave, .round = round_});
  return own_ ? own_->begin(Copier::Round::kFrozen) : Result<void>{};
}

bool DonorLanes::saved() const {
  return (!own_ || own_->sent()) && board_->all([](const Standing& lane) { return lane.saved; });
}

void DonorLanes::over() {
  if (retired_) return;
  if (own_) own_->stop_watching();
  board_->order({.order = Order::kOver, .round = round_});
}

void DonorLanes::retire(bool heir_lost) {
  retired_ = true;
  if (own_) own_->stop_watching();
  board_->order({.order = Order::kRetire, .round = round_, .heir_lost = heir_lost});
  if (board_->retire(0)) registry_.close_named();
}

std::optional<core::Reason> DonorLanes::failure() const { return board_->failure(); }

bool DonorLanes::progressed() {
  const std::uint64_t signs = (own_ ? own_->signs() : 0) + board_->signs();
  return std::exchange(signs_, signs) != signs;
}

std::uint64_t DonorLanes::sessions() const {
  std::uint64_t all = 0;
  for (const Lane* lane : others_) all += lane->sessions();
  return all;
}
std::uint64_t DonorLanes::untracked() const {
  std::uint64_t all = 0;
  for (const Lane* lane : others_) all += lane->untracked();
  return all;
}
std::uint64_t DonorLanes::at_heir() const {
  return (own_ ? own_->at_heir() : 0) + at_heir_of_others();
}
std::uint64_t DonorLanes::at_heir_of_others() const { return board_->sum(&Standing::at_heir); }
std::uint64_t DonorLanes::dirty() const { return (own_ ? own_->dirty() : 0) + board_->dirty(); }
std::uint64_t DonorLanes::sessions_sent() const {
  return (own_ ? own_->sessions_sent() : 0) + board_->sum(&Standing::sessions_sent);
}
std::uint64_t DonorLanes::bytes() const {
  return (own_ ? own_->bytes() : 0) + board_->sum(&Standing::bytes);
}

void DonorLanes::add_notes(Rehearsal& to) const {
  if (own_) to.add(own_->notes());
  board_->look([&](const Standing& lane) { to.add(lane.notes); });
}

}  // namespace handoff::io
