#include "support/clients/echo_swarm.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace handoff::test {
namespace {

constexpr std::size_t kVisitorPlaces = 256;
constexpr std::uint64_t kVisitorLines = 3;
constexpr std::size_t kErrorsKept = 10;
// epoll keys: residents have their index, visitors theirs behind kVisitors.
constexpr std::uint64_t kVisitors = std::uint64_t{1} << 32;
constexpr std::uint64_t kWakeup = std::uint64_t{1} << 33;
constexpr std::uint64_t kTimer = kWakeup + 1;

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}
void drain_counter(int fd) {
  std::uint64_t count = 0;
  if (::read(fd, &count, sizeof count) < 0 && errno != EAGAIN) checked(-1, "read");
}

}  // namespace

EchoSwarm::EchoSwarm(Options options)
    : options_(options),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wakeup_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      visitor_timer_(
          checked(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd")),
      residents_(options.residents),
      visitors_(kVisitorPlaces) {
  watch(wakeup_.get(), kWakeup);
  watch(visitor_timer_.get(), kTimer);
  if (options_.visitors_per_second > 0) {
    const long nanoseconds = 1'000'000'000L / options_.visitors_per_second;
    itimerspec every{};
    every.it_interval.tv_sec = nanoseconds / 1'000'000'000;
    every.it_interval.tv_nsec = nanoseconds % 1'000'000'000;
    every.it_value = every.it_interval;
    checked(::timerfd_settime(visitor_timer_.get(), 0, &every, nullptr), "timerfd_settime");
  }
  for (std::size_t i = 0; i < residents_.size(); ++i) {
    auto& client = residents_[i].client;
    client = std::make_unique<EchoClient>(options_.port, next_number_++, options_.window);
    watch(client->fd(), i);
  }
  thread_ = std::thread([this] { run(); });
}

EchoSwarm::~EchoSwarm() {
  if (thread_.joinable()) stop(Deadline::in({}));
}

void EchoSwarm::watch(int fd, std::uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.u64 = key;
  checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

// -- the thread

void EchoSwarm::run() {
  std::array<epoll_event, 256> events;
  std::optional<Deadline> finish_by;
  while (!(finish_by && (everybody_gone() || finish_by->passed()))) {
    const int timeout = finish_by ? finish_by->milliseconds() : -1;
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout);
    for (int i = 0; i < n; ++i) handle(events[static_cast<std::size_t>(i)].data.u64);
    const std::lock_guard lock(mutex_);
    finish_by = finish_by_;
  }
  for (const Resident& resident : residents_) {
    report_.lines += resident.client->answered();
    report_.versions.push_back(resident.client->versions());
    if (resident.client->end() == EchoClient::End::kNotYet) record_unfinished(*resident.client);
  }
  for (const auto& visitor : visitors_) {
    if (visitor != nullptr) record_unfinished(*visitor);
  }
}

void EchoSwarm::record_unfinished(const EchoClient& client) {
  ++report_.unfinished;
  if (report_.errors.size() < kErrorsKept) report_.errors.push_back(client.waits_for());
}

void EchoSwarm::handle(std::uint64_t key) {
  if (key == kWakeup) {
    drain_counter(wakeup_.get());
    bool finish = false;
    {
      const std::lock_guard lock(mutex_);
      finish = finish_by_.has_value();
    }
    start_round();
    if (finish && !finishing_) finish_all();
  } else if (key == kTimer) {
    drain_counter(visitor_timer_.get());
    invite_visitor();
  } else if (key >= kVisitors) {
    advance_visitor(static_cast<std::size_t>(key - kVisitors));
  } else {
    advance_resident(residents_[static_cast<std::size_t>(key)]);
  }
}

void EchoSwarm::advance_resident(Resident& resident) {
  EchoClient& client = *resident.client;
  if (client.end() != EchoClient::End::kNotYet) return;
  client.advance();
  note_silence(resident);
  note_answers(resident);
  if (client.end() != EchoClient::End::kNotYet) record_end(client);
}

void EchoSwarm::note_silence(Resident& resident) {
  if (resident.client->answered() == resident.answered) return;
  const auto now = Deadline::Clock::now();
  if (resident.answered > 0) {
    const auto silence =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - resident.answered_at);
    report_.longest_silence = std::max(report_.longest_silence, silence);
  }
  resident.answered = resident.client->answered();
  resident.answered_at = now;
}

// Takes the lock only when a test may be waiting for these answers.
void EchoSwarm::note_answers(Resident& resident) {
  const auto& versions = resident.client->versions();
  const bool new_version = versions.size() != resident.versions_seen;
  const bool round_done =
      resident.answer_for != 0 && resident.client->answered() >= resident.answer_for;
  if (!new_version && !round_done) return;
  const std::lock_guard lock(mutex_);
  if (new_version) {
    if (resident.versions_seen > 0) --progress_.residents_at[versions[resident.versions_seen - 1]];
    ++progress_.residents_at[versions.back()];
    resident.versions_seen = versions.size();
  }
  if (round_done) {
    resident.answer_for = 0;
    if (resident.round == progress_.round) ++progress_.completed_round;
  }
  changed_.notify_all();
}

void EchoSwarm::start_round() {
  {
    const std::lock_guard lock(mutex_);
    if (progress_.round == wanted_round_) return;
    progress_.round = wanted_round_;
    progress_.completed_round = 0;
  }
  for (Resident& resident : residents_) {
    resident.round = progress_.round;
    resident.answer_for = resident.client->sent() + 1;
  }
}

void EchoSwarm::invite_visitor() {
  if (finishing_) return;
  const auto place = std::find(visitors_.begin(), visitors_.end(), nullptr);
  if (place == visitors_.end()) return;  // every visitor still waits for answers
  *place = std::make_unique<EchoClient>(options_.port, next_number_++, 1, kVisitorLines);
  watch((*place)->fd(), kVisitors + static_cast<std::uint64_t>(place - visitors_.begin()));
}

void EchoSwarm::advance_visitor(std::size_t index) {
  auto& visitor = visitors_[index];
  if (visitor == nullptr) return;
  visitor->advance();
  if (visitor->end() == EchoClient::End::kNotYet) return;
  report_.lines += visitor->answered();
  if (visitor->end() == EchoClient::End::kDone) ++report_.visitors;
  record_end(*visitor);
  visitor.reset();
}

void EchoSwarm::finish_all() {
  finishing_ = true;
  for (Resident& resident : residents_) {
    if (resident.client->end() != EchoClient::End::kNotYet) continue;
    resident.client->finish();
    note_answers(resident);
    if (resident.client->end() != EchoClient::End::kNotYet) record_end(*resident.client);
  }
}

bool EchoSwarm::everybody_gone() const {
  return finishing_ &&
         std::all_of(
             residents_.begin(), residents_.end(),
             [](const Resident& r) { return r.client->end() != EchoClient::End::kNotYet; }) &&
         std::all_of(visitors_.begin(), visitors_.end(),
                     [](const auto& visitor) { return visitor == nullptr; });
}

void EchoSwarm::record_end(const EchoClient& client) {
  switch (client.end()) {
    case EchoClient::End::kNotYet:
    case EchoClient::End::kDone:
      return;
    case EchoClient::End::kRefused:
      ++report_.refused;
      break;
    case EchoClient::End::kReset:
      ++report_.resets;
      break;
    case EchoClient::End::kEof:
      ++report_.eofs;
      break;
    case EchoClient::End::kWrongReply:
      ++report_.wrong;
      break;
  }
  if (report_.errors.size() < kErrorsKept) report_.errors.push_back(client.error());
  const std::lock_guard lock(mutex_);
  progress_.failed = true;
  changed_.notify_all();
}

// -- whoever waits

bool EchoSwarm::wait_until_each_answered_by(const std::string& version, Deadline deadline) {
  std::unique_lock lock(mutex_);
  const auto all = [&] { return progress_.residents_at[version] == residents_.size(); };
  changed_.wait_until(lock, deadline.at(), [&] { return progress_.failed || all(); });
  return !progress_.failed && all();
}

bool EchoSwarm::wait_until_each_answered_again(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const std::uint64_t round = ++wanted_round_;
  checked(::eventfd_write(wakeup_.get(), 1), "eventfd_write");
  const auto all = [&] {
    return progress_.round == round && progress_.completed_round == residents_.size();
  };
  changed_.wait_until(lock, deadline.at(), [&] { return progress_.failed || all(); });
  return !progress_.failed && all();
}

EchoSwarm::Report EchoSwarm::stop(Deadline deadline) {
  {
    const std::lock_guard lock(mutex_);
    finish_by_ = deadline;
  }
  checked(::eventfd_write(wakeup_.get(), 1), "eventfd_write");
  thread_.join();
  return report_;
}

std::string EchoSwarm::Report::describe() const {
  std::string out = std::to_string(lines) + " lines, " + std::to_string(visitors) + " visitors, " +
                    std::to_string(refused) + " refused, " + std::to_string(resets) + " reset, " +
                    std::to_string(eofs) + " closed, " + std::to_string(wrong) + " wrong, " +
                    std::to_string(unfinished) + " unfinished, longest silence " +
                    std::to_string(longest_silence.count()) + " ms";
  for (const std::string& error : errors) out += "\n  " + error;
  return out;
}

}  // namespace handoff::test
