// What any thread of the service may say, for runtimes whose sessions are processes, tasks or
// coroutines: a session's last state, that all have come to rest, and how a restore() has ended.
// What was said waits here until the thread of the lane takes it.
//
// A state that was put is the session's until the next one. It stands in place of save(). Whether
// it is that of the session's stream is another question: it is while the session is at rest, that
// is, from a put in a freeze, or from one that was awaited, until the session goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/secret.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Told {
 public:
  struct State {
    std::string state = {}, input = {}, output = {};
    std::uint32_t flags = 0;
    // The positions of the first bytes of input and output; nullopt: none were said.
    std::optional<std::pair<std::uint64_t, std::uint64_t>> at = {};
    Secret layer = {};
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
  // What is at rest remains so.
  void end_freeze();
  // All sessions go on, and none is awaited any more.
  void all_go_on();
  // The session's next put says that it has come to rest; or is a put like any other again.
  void await_rest(std::uint64_t id);
  void await_no_rest(std::uint64_t id);
  // The session goes on: its state may be an old one from here on.
  void goes_on(std::uint64_t id);
  // From here on sessions leave this process one by one, by a link.
  void become_late() { late_ = true; }
  bool late() const { return late_; }
  // The freeze's answer, if it has come since it began.
  std::optional<Answer> take_frozen();
  std::vector<Answer> take_restored();
  // Sessions of which something was put since this was asked last.
  std::vector<std::uint64_t> take_changed();
  bool has_news() const { return news_; }

  // Some state was put, ever.
  bool used() const { return used_; }
  bool has(std::uint64_t id) const;
  // Whether its last put said that it has come to rest, and it has not gone on since.
  bool rests(std::uint64_t id) const;
  // Copies into out, whose memory is used again. False: there is none.
  bool give(std::uint64_t id, handoff_saved& out) const;
  // The session is not this process's any more.
  void forget(std::uint64_t id);
  void forget_all();

 private:
  struct Put {
    State state;
    std::uint64_t rests_in = 0;  // the moment that it is at rest in; 0: none
    bool changed = false;        // and not taken yet
  };
  void wake() const;

  const Poller* poller_ = nullptr;
  std::atomic<bool> news_ = false;
  std::atomic<bool> answers_ = false;  // restored_ has some
  std::atomic<bool> used_ = false;
  std::atomic<std::uint64_t> freeze_until_ = 0;
  bool late_ = false;         // of the lane's thread
  mutable std::mutex mutex_;  // of what follows
  // Grows with each freeze and each end of one in which all go on, so that neither need walk
  // through puts_.
  std::uint64_t moment_ = 1;
  std::unordered_set<std::uint64_t> awaited_;
  std::unordered_map<std::uint64_t, Put> puts_;
  std::vector<std::uint64_t> changed_;
  std::optional<Answer> frozen_;
  std::vector<Answer> restored_;
};

}  // namespace handoff::io
