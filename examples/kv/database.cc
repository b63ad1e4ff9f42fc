#include "database.h"

namespace kv {

Database::Item* Database::find(std::string_view key) {
  const auto it = map_.find(key);
  return it != map_.end() ? &*it : nullptr;
}

Database::Item& Database::put(std::string_view key, Value value) {
  const Time expires = value.expires();
  Item* item = find(key);
  if (item != nullptr) {
    forget_expiry(*item);
    item->second.value = std::move(value);
  } else {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.push_back(nullptr);
    }
    item = &*map_.try_emplace(std::string(key), Kept{std::move(value), free_.back()}).first;
    slots_[free_.back()] = item;
    free_.pop_back();
  }
  if (expires != kNever) by_expiry_.emplace(expires, item->second.slot);
  return *item;
}

void Database::erase(Item& item) {
  forget_expiry(item);
  const std::uint32_t slot = item.second.slot;
  slots_[slot] = nullptr;
  free_.push_back(slot);
  map_.erase(map_.find(item.first));
}

void Database::set_expires(Item& item, Time at) {
  forget_expiry(item);
  item.second.value.set_expires(at);
  const Time kept = item.second.value.expires();
  if (kept != kNever) by_expiry_.emplace(kept, item.second.slot);
}

void Database::clear() {
  map_.clear();
  slots_.clear();
  free_.clear();
  by_expiry_.clear();
}

Database::Item* Database::next_to_expire() const {
  return by_expiry_.empty() ? nullptr : slots_[by_expiry_.begin()->second];
}

void Database::forget_expiry(const Item& item) {
  const Time at = item.second.value.expires();
  if (at != kNever) by_expiry_.erase({at, item.second.slot});
}

}  // namespace kv
