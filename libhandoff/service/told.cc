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
    // Out of memory: nothing has changed, and no session has an empty state.
    if (changed_.size() == changed_.capacity()) changed_.reserve(2 * changed_.size() + 16);
    Put& put = puts_[id];
    if (!put.changed) changed_.push_back(id);
    const bool rests = freeze_until_ != 0 || awaited_.contains(id) || put.rests_in == moment_;
    put = {std::move(state), rests ? moment_ : 0, true};
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
  ++moment_;
  awaited_.clear();
  frozen_.reset();
  freeze_until_ = until_us;
}

void Told::end_freeze() {
  const std::lock_guard lock(mutex_);
  freeze_until_ = 0;
}

void Told::all_go_on() {
  const std::lock_guard lock(mutex_);
  ++moment_;
  awaited_.clear();
}

void Told::await_rest(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  awaited_.insert(id);
}

void Told::await_no_rest(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  awaited_.erase(id);
}

void Told::goes_on(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  awaited_.erase(id);
  if (const auto it = puts_.find(id); it != puts_.end()) it->second.rests_in = 0;
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

bool Told::rests(std::uint64_t id) const {
  if (!used_) return false;
  const std::lock_guard lock(mutex_);
  const auto it = puts_.find(id);
  return it != puts_.end() && it->second.rests_in == moment_;
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
  out.layer.append(state.layer.view());
  if (state.at) {
    return out.input.append_at(state.at->first, state.input) &&
           out.output.append_at(state.at->second, state.output);
  }
  return out.input.append(state.input) && out.output.append(state.output);
}

void Told::forget(std::uint64_t id) {
  if (!used_ && !late_ && !answers_) return;
  const std::lock_guard lock(mutex_);
  puts_.erase(id);
  awaited_.erase(id);
  std::erase_if(restored_, [id](const Answer& answer) { return answer.session == id; });
}

void Told::forget_all() {
  if (!used_) return;
  const std::lock_guard lock(mutex_);
  puts_.clear();
}

}  // namespace handoff::io
