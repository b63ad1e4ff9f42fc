#include "store.h"

#include <algorithm>
#include <string>

namespace kv {

bool Store::is_over(const Item& item) const {
  const Time at = item.second.value.expires();
  return at != kNever && at <= now_;
}

Store::Item* Store::find(int db, std::string_view key) {
  Item* item = of(db).find(key);
  if (item == nullptr || !is_over(*item)) return item;
  ++expired_keys_;
  erase(db, *item);
  return nullptr;
}

Store::Item* Store::read(int db, std::string_view key) {
  Item* item = find(db, key);
  ++(item != nullptr ? hits_ : misses_);
  return item;
}

Store::Item& Store::put(int db, std::string_view key, Value value) {
  Item& item = of(db).put(key, std::move(value));
  changed(db, key);
  return item;
}

bool Store::erase(int db, std::string_view key) {
  Item* item = find(db, key);
  if (item == nullptr) return false;
  erase(db, *item);
  return true;
}

void Store::erase(int db, Item& item) {
  const std::string key = item.first;
  of(db).erase(item);
  changed(db, key);
}

void Store::set_expires(int db, Item& item, Time at) {
  of(db).set_expires(item, at);
  changed(db, item.first);
}

void Store::changed(int db, std::string_view key) {
  for (ChangeListener* listener : listeners_) listener->on_changed(db, key);
}

void Store::flush(int db) {
  for (ChangeListener* listener : listeners_) listener->on_flush(db, of(db));
  of(db).clear();
}

void Store::flush_all() {
  for (int db = 0; db < kDatabases; ++db) flush(db);
}

std::size_t Store::expire_some(std::size_t limit) {
  std::size_t n = 0;
  for (int db = 0; db < kDatabases; ++db) {
    for (; n < limit; ++n) {
      Item* item = of(db).next_to_expire();
      if (item == nullptr || !is_over(*item)) break;
      ++expired_keys_;
      erase(db, *item);
    }
  }
  return n;
}

Time Store::next_expiry() const {
  Time next = kNever;
  for (const Database& database : databases_) {
    const Item* item = database.next_to_expire();
    if (item == nullptr) continue;
    const Time at = item->second.value.expires();
    next = next == kNever ? at : std::min(next, at);
  }
  return next;
}

}  // namespace kv
