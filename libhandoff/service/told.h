// What any thread of the service may say, for runtimes whose sessions are processes, tasks or
// coroutines: a session's last state, that all have come to rest, and how a restore() has ended.
// What was said waits here until the thread of the lane takes it.
//
// A state that was put is the session's until the next one. It stands in place of save().
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Told {
 public:
  struct State {
    std::string state, input, output;
    std::uint32_t flags = 0;
  };
  // How something ended that was answered with HANDOFF_LATER.
  struct Answer {
    std::uint64_t session = 0;  // 0: the freeze
    int result = 0;
    std::string why;
  };

  // Borrowed: the loop that is woken. Before any thread says anything.
  void set_poller(const Poller& poller) { poller_ = &poller; }

  // -- any thread
  void put(std::uint64_t id, State state);
  void frozen(int result, std::string_view why);
  void restored(std::uint64_t id, int result, std::string_view why);
  // CLOCK_MONOTONIC; 0 if no freeze is under way.
  std::uint64_t freeze_until() const { return freeze_until_; }

  // -- the lane's thread
  // A freeze begins: only what is put from here on is at rest in it.
  void begin_freeze(std::uint64_t until_us);
  void end_freeze() { freeze_until_ = 0; }
  // The freeze's answer, if it has come since it began.
  std::optional<Answer> take_frozen();
  std::vector<Answer> take_restored();
  // Sessions of which something was put since this was asked last.
  std::vector<std::uint64_t> take_changed();
  bool has_news() const { return news_; }

  // Some state was put, ever.
  bool used() const { return used_; }
  bool has(std::uint64_t id) const;
  // Whether its state was put in the freeze that is under way.
  bool has_come_to_rest(std::uint64_t id) const;
  // Copies into out, whose memory is used again. False: there is none.
  bool give(std::uint64_t id, handoff_saved& out) const;
  // The session is not this process's any more.
  void forget(std::uint64_t id);
  void forget_all();

 private:
  struct Put {
    State state;
    std::uint64_t freeze = 0;  // by its number
    bool changed = false;      // and not taken yet
  };
  void wake() const;

  const Poller* poller_ = nullptr;
  std::atomic<bool> news_ = false;
  std::atomic<bool> answers_ = false;  // restored_ has some
  std::atomic<bool> used_ = false;
  std::atomic<std::uint64_t> freeze_until_ = 0;
  mutable std::mutex mutex_;  // of what follows
  std::uint64_t freeze_ = 0;
  std::unordered_map<std::uint64_t, Put> puts_;
  std::vector<std::uint64_t> changed_;
  std::optional<Answer> frozen_;
  std::vector<Answer> restored_;
};

}  // namespace handoff::io
