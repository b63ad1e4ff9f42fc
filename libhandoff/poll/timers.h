// The timers of a loop: which are due at a time that it is told. Knows no clock.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

namespace handoff::poll {

class Timers {
 public:
  using Function = void (*)(void* user);

  // Due at now + ms, and with `every` again and again. Returns its id, which is not 0.
  std::uint64_t add(std::uint64_t now, std::uint64_t ms, bool every, Function f, void* user);
  // False: there is none of that id.
  bool cancel(std::uint64_t id);
  bool empty() const { return due_.empty(); }
  // When the first is due; not if empty().
  std::uint64_t next() const { return due_.begin()->first.first; }
  // Calls those that are due, in their order. One that is added meanwhile waits for the next run().
  void run(std::uint64_t now);
  void clear();

 private:
  struct Timer {
    std::uint64_t every;  // 0: once
    Function f;
    void* user;
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // when it is due, its id

  void insert(std::uint64_t due, std::uint64_t id, const Timer& timer);

  std::map<Key, Timer> due_;
  std::unordered_map<std::uint64_t, std::uint64_t> when_;  // of an id
  std::uint64_t last_id_ = 0;
};

}  // namespace handoff::poll
