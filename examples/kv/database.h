// One database: keys and values, the order in which they expire, and a walk through all of it bit
// by bit while it changes.
//
// Every key has a slot and keeps it as long as the key exists; neither growth nor other keys move
// it. So a walk is a number that goes from 0 to slots(). It meets each key that exists throughout
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

  // nullptr if there is no such key. Does not look at the clock: an expired key is found.
  Item* find(std::string_view key);
  bool contains(std::string_view key) const { return map_.find(key) != map_.end(); }
  // Adds the key or replaces its value.
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
  std::set<std::pair<Time, std::uint32_t>> by_expiry_;  // when, and the key's slot
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_DATABASE_H
