#include "libhandoff/handoff/heir_lanes.h"

#include <utility>

namespace handoff::io {
namespace {

using Order = HeirBoard::Order;
using Standing = HeirBoard::Standing;

}  // namespace

HeirLanes::HeirLanes(Registry& registry, const Poller& poller, std::vector<Lane*> others)
    : registry_(registry),
      others_(std::move(others)),
      board_(std::make_shared<HeirBoard>(Lane::pollers(poller, others_))) {
  for (Lane* lane : others_) lane->begin(board_);
}

void HeirLanes::expect(const core::Lanes& lanes, core::Manifest donor,
                       std::vector<std::uint32_t> versions) {
  lanes_ = lanes;
  donor_ = std::move(donor);
  versions_ = std::move(versions);
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
  if (!parts[0].empty()) {
    auto own = HeirChannels::make(registry_, std::move(parts[0]), donor_, versions_, rehearsal);
    if (!own) return Failure(own.error());
    own_ = std::move(*own);
  }
  for (std::size_t i = 0; i < others_.size(); ++i) {
    auto channels = HeirChannels::make(others_[i]->registry(), std::move(parts[i + 1]), donor_,
                                       versions_, rehearsal);
    if (!channels) return Failure(channels.error());
    others_[i]->take(std::move(*channels));
  }
  return {};
}

std::optional<int> HeirLanes::fd() const {
  return own_ ? std::optional<int>(own_->fd()) : std::nullopt;
}

Result<void> HeirLanes::receive() { return own_ ? own_->receive() : Result<void>{}; }

bool HeirLanes::round_complete(std::uint32_t round) const {
  return (!own_ || own_->round() == round) &&
         board_->all([round](const Standing& lane) { return lane.round == round; });
}

bool HeirLanes::prepared() const {
  return (!own_ || own_->prepared()) &&
         board_->all([](const Standing& lane) { return lane.prepared; });
}

Result<void> HeirLanes::read_out() {
  // Lanes that have no channels have nothing to read.
  if (opened_) board_->order({.order = Order::kReadOut});
  return receive();
}

bool HeirLanes::read_out_done() const {
  return !opened_ || board_->all([](const Standing& lane) { return lane.read_out; });
}

Result<void> HeirLanes::restore() {
  board_->order({.order = Order::kRestore});
  return own_ ? own_->restore() : Result<void>{};
}

bool HeirLanes::restored() const {
  return board_->all([](const Standing& lane) { return lane.restored; });
}

void HeirLanes::run(bool keep) {
  board_->order({.order = Order::kRun, .keep = keep});
  if (!own_) return;
  if (keep) own_->keep_unmoved();
  adopted_ = own_->sessions();
  own_->adopt();
}

bool HeirLanes::running() const {
  return board_->all([](const Standing& lane) { return lane.running; });
}

void HeirLanes::go(const std::string& why) {
  board_->order({.order = Order::kGo, .why = why});
  if (own_) own_->drop();
}

std::optional<core::Reason> HeirLanes::failure() const { return board_->failure(); }

bool HeirLanes::progressed() {
  const std::uint64_t signs = (own_ ? own_->signs() : 0) + board_->signs();
  return std::exchange(signs_, signs) != signs;
}

std::uint64_t HeirLanes::sessions() const {
  return adopted_.value_or(own_ ? own_->sessions() : 0) + board_->sum(&Standing::sessions);
}

std::uint64_t HeirLanes::lost() const {
  return (own_ ? own_->lost() : 0) + board_->sum(&Standing::lost);
}

std::vector<std::uint64_t> HeirLanes::lost_ids() const {
  std::vector<std::uint64_t> all = own_ ? own_->lost_ids() : std::vector<std::uint64_t>{};
  board_->look([&](const Standing& lane) {
    all.insert(all.end(), lane.lost_ids.begin(), lane.lost_ids.end());
  });
  return all;
}

void HeirLanes::add_notes(Rehearsal& to) {
  if (own_) to.add(own_->notes());
  board_->look([&](const Standing& lane) { to.add(lane.notes); });
}

}  // namespace handoff::io
