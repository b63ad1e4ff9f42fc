#include "libhandoff/service/told.h"

#include <utility>

#include "libhandoff/service/registry.h"

namespace handoff::io {

void Told::wake() const {
  if (poller_ != nullptr) poller_->wake();
}

void Told::put(std::uint64_t id, State state) {
  {
    const std::lock_guard lock(mutex_);
    Put& put = puts_[id];
    if (!put.changed) changed_.push_back(id);
    put = {std::move(state), freeze_, true};
    used_ = true;
    news_ = true;
  }
  wake();
}

void Told::frozen(int result, std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    frozen_ = Answer{0, result, std::string(why)};
  }
  wake();
}

void Told::restored(std::uint64_t id, int result, std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    restored_.push_back({id, result, std::string(why)});
    answers_ = true;
  }
  wake();
}

void Told::begin_freeze(std::uint64_t until_us) {
  const std::lock_guard lock(mutex_);
  ++freeze_;
  frozen_.reset();
  freeze_until_ = until_us;
}

std::optional<Told::Answer> Told::take_frozen() {
  const std::lock_guard lock(mutex_);
  return std::exchange(frozen_, std::nullopt);
}

std::vector<Told::Answer> Told::take_restored() {
  if (!answers_) return {};
  const std::lock_guard lock(mutex_);
  answers_ = false;
  return std::exchange(restored_, {});
}

std::vector<std::uint64_t> Told::take_changed() {
  const std::lock_guard lock(mutex_);
  news_ = false;
  for (const std::uint64_t id : changed_) {
    if (const auto it = puts_.find(id); it != puts_.end()) it->second.changed = false;
  }
  return std::exchange(changed_, {});
}

bool Told::has(std::uint64_t id) const {
  if (!used_) return false;
  const std::lock_guard lock(mutex_);
  return puts_.contains(id);
}

bool Told::has_come_to_rest(std::uint64_t id) const {
  if (!used_) return false;
  const std::lock_guard lock(mutex_);
  const auto it = puts_.find(id);
  return it != puts_.end() && it->second.freeze == freeze_;
}

bool Told::give(std::uint64_t id, handoff_saved& out) const {
  if (!used_) return false;
  const std::lock_guard lock(mutex_);
  const auto it = puts_.find(id);
  if (it == puts_.end()) return false;
  const State& state = it->second.state;
  out.state = state.state;
  out.given = true;
  out.flags = state.flags;
  return out.input.append(state.input) && out.output.append(state.output);
}

void Told::forget(std::uint64_t id) {
  if (!used_) return;
  const std::lock_guard lock(mutex_);
  puts_.erase(id);
}

void Told::forget_all() {
  if (!used_) return;
  const std::lock_guard lock(mutex_);
  puts_.clear();
}

}  // namespace handoff::io
