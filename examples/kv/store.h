// All databases, behind one door: every change goes through here, so that those who must know of
// changes (WATCH, a copy that is under way) can't miss one.
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
  // About to lose all its keys.
  virtual void on_flush(int db, const Database& database) = 0;

 protected:
  ~ChangeListener() = default;
};

class Store {
 public:
  using Item = Database::Item;

  // Borrows.
  void listen(ChangeListener& listener) { listeners_.push_back(&listener); }

  // What is past its time by `now` is not there any more.
  void set_now(Time now) { now_ = now; }
  Time now() const { return now_; }

  // nullptr if there is none.
  Item* find(int db, std::string_view key);
  // The same without a look at the clock: also what is past its time, and still there.
  Item* peek(int db, std::string_view key) { return of(db).find(key); }
  Item& put(int db, std::string_view key, Value value);
  bool erase(int db, std::string_view key);
  void erase(int db, Item& item);
  // at may be kNever.
  void set_expires(int db, Item& item, Time at);
  // For who has changed a value in place.
  void changed(int db, std::string_view key);
  void flush(int db);
  void flush_all();

  // Removes at most `limit` keys that are past their time; returns how many.
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
