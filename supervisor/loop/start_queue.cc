#include "supervisor/loop/start_queue.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace handoff::supervisor {

std::size_t StartQueue::places_here() {
  return kPerProcessor * std::max(1U, std::thread::hardware_concurrency());
}

StartQueue::StartQueue(uv_loop_t* loop, std::size_t places)
    : places_(places), timer_(loop, [this] { next(); }) {}

void StartQueue::wait(std::function<void(Place)> begin) {
  waiting_.push_back(std::move(begin));
  next();
}

StartQueue::Place StartQueue::take() {
  const std::uint64_t id = ++last_;
  taken_.emplace(id, now() + kHold);
  return Place(this, [id, here = std::weak_ptr<bool>(here_)](void* queue) {
    if (here.expired()) return;
    auto* const self = static_cast<StartQueue*>(queue);
    // A place is given back in the middle of anything: the next one begins in a turn of its own.
    if (self->taken_.erase(id) > 0 && !self->waiting_.empty()) self->timer_.at(now());
  });
}

void StartQueue::next() {
  std::erase_if(taken_, [at = now()](const auto& one) { return one.second <= at; });
  while (!waiting_.empty() && taken_.size() < places_) {
    const auto begin = std::move(waiting_.front());
    waiting_.pop_front();
    begin(take());
  }
  if (waiting_.empty()) return;
  timer_.at(std::min_element(taken_.begin(), taken_.end(), [](const auto& a, const auto& b) {
              return a.second < b.second;
            })->second);
}

}  // namespace handoff::supervisor
