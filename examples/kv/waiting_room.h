// BLPOP: which session waits for which list, in what order, and until when.
//
// The session that has waited longest is served first. Its turn is a number in its state, so the
// order holds across upgrades, whatever the order in which sessions are restored.
#ifndef HANDOFF_EXAMPLES_KV_WAITING_ROOM_H
#define HANDOFF_EXAMPLES_KV_WAITING_ROOM_H

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session.h"
#include "store.h"

namespace kv {

class WaitingRoom {
 public:
  explicit WaitingRoom(Store& store) : store_(store) {}

  // The session's input rests until the session is served or its time is over. deadline may be
  // kNever.
  void enter(Session& session, std::vector<std::string> keys, Time deadline);
  // A list may have new elements; serve() gives them out later.
  void note_list(int db, std::string_view key);
  // Gives waiting sessions the elements that there are. Not while a command is being carried out.
  void serve();
  // Ends the waits whose time is over.
  void time_out();
  // The earliest deadline; kNever if no waiting session has one.
  Time next_deadline() const;
  std::size_t size() const { return size_; }
  // The ids of sessions whose input may go on; each is told once.
  std::vector<std::uint64_t> take_released() { return std::exchange(released_, {}); }

  // Adds and removes a session that waits.
  void attach(Session& session);
  void detach(Session& session);

 private:
  using Turn = std::pair<std::uint64_t, Session*>;
  using Queue = std::set<Turn>;
  StringMap<Queue>& of(int db) { return queues_[static_cast<std::size_t>(db)]; }
  void serve(int db, std::string_view key);
  Session* first_in(int db, std::string_view key);
  void release(Session& session);

  Store& store_;
  std::array<StringMap<Queue>, kDatabases> queues_;
  std::set<std::pair<Time, Session*>> deadlines_;
  std::vector<DatabaseKey> ready_;
  std::vector<std::uint64_t> released_;
  std::uint64_t last_turn_ = 0;
  std::size_t size_ = 0;
};

// Takes the first element off a list and replies as BLPOP does; removes a list that is empty then.
// BLPOP itself uses this, too, where the list has elements already.
void reply_popped(Session& session, Store& store, int db, Store::Item& list);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_WAITING_ROOM_H
