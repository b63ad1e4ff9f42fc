// All databases. Every change goes through here, so that a listener (WATCH, a copy that is under
// way) can't miss one.
#ifndef HANDOFF_EXAMPLES_KV_STORE_H
#define HANDOFF_EXAMPLES_KV_STORE_H

#include <array>
#include <string_view>
#include <vector>

#include "common.h"
#include "database.h"

namespace kv {

class ChangeListener {
 public:
  // The key has a new value, or none any more.
  virtual void on_changed(int db, std::string_view key) = 0;
  // The database is about to lose all its keys.
  virtual void on_flush(int db, const Database& database) = 0;

 protected:
  ~ChangeListener() = default;
};

class Store {
 public:
  using Item = Database::Item;

  // Borrows listener.
  void listen(ChangeListener& listener) { listeners_.push_back(&listener); }

  // From now on a key that expires by `now` counts as gone.
  void set_now(Time now) { now_ = now; }
  Time now() const { return now_; }

  // nullptr if there is no such key. Removes it if it has expired.
  Item* find(int db, std::string_view key);
  // As find(), without a look at the clock: also finds a key that has expired and is still there.
  Item* peek(int db, std::string_view key) { return of(db).find(key); }
  Item& put(int db, std::string_view key, Value value);
  bool erase(int db, std::string_view key);
  void erase(int db, Item& item);
  // at may be kNever.
  void set_expires(int db, Item& item, Time at);
  // Call it after changing a value in place.
  void changed(int db, std::string_view key);
  void flush(int db);
  void flush_all();

  // Removes at most `limit` keys that have expired; returns how many.
  std::size_t expire_some(std::size_t limit);
  // When the next key expires; kNever if none does.
  Time next_expiry() const;

  const Database& database(int db) const { return databases_[static_cast<std::size_t>(db)]; }
  std::uint64_t expired_keys() const { return expired_keys_; }
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }
  // find() for a command that reads: counts hits and misses.
  Item* read(int db, std::string_view key);

 private:
  Database& of(int db) { return databases_[static_cast<std::size_t>(db)]; }
  bool is_over(const Item& item) const;

  std::array<Database, kDatabases> databases_;
  std::vector<ChangeListener*> listeners_;
  Time now_ = 0;
  std::uint64_t expired_keys_ = 0, hits_ = 0, misses_ = 0;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_STORE_H
