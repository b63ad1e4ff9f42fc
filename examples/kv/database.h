// One database: keys and values, what expires when, and a way to walk through all of it bit by bit
// while it changes.
//
// Every key has a slot, and keeps it for as long as it exists; neither growth nor other keys move
// it. So a walk is a number that goes from 0 to slots(), and meets each key that exists throughout
// exactly once.
#ifndef HANDOFF_EXAMPLES_KV_DATABASE_H
#define HANDOFF_EXAMPLES_KV_DATABASE_H

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common.h"
#include "value.h"

namespace kv {

class Database {
 public:
  struct Kept {
    Value value;
    std::uint32_t slot;
  };
  using Map = StringMap<Kept>;
  using Item = Map::value_type;  // its address is stable while the key exists

  // nullptr if there is none. Does not look at the clock.
  Item* find(std::string_view key);
  bool contains(std::string_view key) const { return map_.find(key) != map_.end(); }
  // Adds or replaces.
  Item& put(std::string_view key, Value value);
  void erase(Item& item);
  void set_expires(Item& item, Time at);
  void clear();

  std::size_t size() const { return map_.size(); }
  std::size_t expiring() const { return by_expiry_.size(); }
  // nullptr if nothing expires.
  Item* next_to_expire() const;

  std::size_t slots() const { return slots_.size(); }
  Item* at(std::size_t slot) const { return slots_[slot]; }  // nullptr if the slot is free

 private:
  void forget_expiry(const Item& item);

  Map map_;
  std::vector<Item*> slots_;
  std::vector<std::uint32_t> free_;
  std::set<std::pair<Time, std::uint32_t>> by_expiry_;  // and the slot
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_DATABASE_H
