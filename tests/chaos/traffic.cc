#include "traffic.h"

#include <algorithm>

namespace chaos {
namespace {

using namespace std::chrono_literals;

constexpr auto kTurn = 2ms;
constexpr auto kVisitorEvery = 12ms;
constexpr std::uint64_t kVisitorExchanges = 3;
constexpr std::size_t kVisitors = 16;  // at once
constexpr std::size_t kErrorsKept = 5;

Manner manner_of(std::size_t index) {
  if (index == 3) return Manner::kLazy;
  if (index % 8 == 1) return Manner::kHalf;
  if (index % 8 == 2) return Manner::kQuiet;
  return Manner::kBusy;
}

}  // namespace

Tally& Tally::operator+=(const Tally& more) {
  sessions += more.sessions;
  bytes += more.bytes;
  replies += more.replies;
  lost += more.lost;
  duplicated += more.duplicated;
  wrong += more.wrong;
  reset += more.reset;
  visitors_reset += more.visitors_reset;
  unanswered += more.unanswered;
  longest_gap = std::max(longest_gap, more.longest_gap);
  errors.insert(errors.end(), more.errors.begin(), more.errors.end());
  return *this;
}

Traffic::Traffic(Service service, int port, std::size_t residents, bool full)
    : service_(service), port_(port) {
  if (speaks_tls(service)) tls_ = std::make_unique<TlsClients>();
  for (std::size_t i = 0; i < residents; ++i) {
    const Manner manner = full ? Manner::kFull : manner_of(i);
    residents_.push_back({connect(manner, 0), manner});
  }
}

std::unique_ptr<Client> Traffic::connect(Manner manner, std::uint64_t exchanges) {
  const std::uint64_t number = ++next_number_;
  return std::make_unique<Client>(port_, make_dialogue(service_, number), manner, number, exchanges,
                                  tls_ ? tls_->make(number) : nullptr);
}

void Traffic::pump(const Idle& idle) {
  const auto now = Clock::now();
  if (now < next_turn_) {
    idle(static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(next_turn_ - now).count()));
    if (Clock::now() < next_turn_) return;
  } else {
    idle(0);
  }
  next_turn_ = Clock::now() + kTurn;
  for (Resident& resident : residents_) resident.client->advance();
  if (inviting_ && Clock::now() >= next_visitor_ && visitors_.size() < kVisitors) {
    next_visitor_ = Clock::now() + kVisitorEvery;
    visit();
  }
  for (auto& visitor : visitors_) {
    visitor->advance();
    if (visitor->alive()) continue;
    record(*visitor, false, gone_);
    visitor.reset();
  }
  std::erase(visitors_, nullptr);
}

void Traffic::visit() { visitors_.push_back(connect(Manner::kBusy, kVisitorExchanges)); }

bool Traffic::settled() const {
  return std::ranges::all_of(residents_, [](const Resident& r) { return r.client->settled(); });
}

void Traffic::wake() {
  for (Resident& resident : residents_) resident.client->wake();
}

void Traffic::ask_again() {
  for (Resident& resident : residents_) resident.answer_for = resident.client->asked() + 1;
}

bool Traffic::all_answered_again() const {
  return std::ranges::all_of(residents_, [](const Resident& r) {
    return !r.client->alive() || r.client->answered() >= r.answer_for;
  });
}

void Traffic::finish() {
  inviting_ = false;
  for (Resident& resident : residents_) resident.client->finish();
}

bool Traffic::finished() const {
  return visitors_.empty() &&
         std::ranges::none_of(residents_, [](const Resident& r) { return r.client->alive(); });
}

std::size_t Traffic::alive() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(residents_, [](const Resident& r) { return r.client->alive(); }));
}

std::size_t Traffic::alive(Manner manner) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      residents_, [&](const Resident& r) { return r.manner == manner && r.client->alive(); }));
}

std::uint64_t Traffic::cut() const {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(residents_, [](const Resident& r) { return r.client->cut(); }));
}

void Traffic::reset_gaps() {
  for (Resident& resident : residents_) resident.client->reset_gap();
}

void Traffic::record(const Client& client, bool resident, Tally& tally) const {
  ++tally.sessions;
  tally.bytes += client.bytes();
  tally.replies += client.answered();
  switch (client.end()) {
    case Client::End::kAlive:
      ++tally.unanswered;
      break;
    case Client::End::kDone:
      return;
    case Client::End::kRefused:
    case Client::End::kReset:
    case Client::End::kEof:
      ++(resident ? tally.reset : tally.visitors_reset);
      break;
    case Client::End::kFault:
      ++(client.fault() == Fault::kLost         ? tally.lost
         : client.fault() == Fault::kDuplicated ? tally.duplicated
                                                : tally.wrong);
      break;
  }
  // Of many connections that were cut off a few examples are enough; each wrong byte is told.
  const bool fault = client.end() == Client::End::kFault;
  if (fault) {
    tally.errors.insert(tally.errors.begin(), client.error());
  } else if (tally.errors.size() < kErrorsKept && !client.error().empty()) {
    tally.errors.push_back(client.error());
  }
}

Tally Traffic::tally() const {
  Tally tally = gone_;
  for (const Resident& resident : residents_) {
    record(*resident.client, true, tally);
    if (resident.manner == Manner::kLazy || resident.manner == Manner::kQuiet) continue;
    tally.longest_gap = std::max(
        tally.longest_gap,
        std::chrono::duration_cast<std::chrono::milliseconds>(resident.client->longest_gap()));
  }
  for (const auto& visitor : visitors_) record(*visitor, false, tally);
  return tally;
}

}  // namespace chaos
