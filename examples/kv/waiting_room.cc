#include "waiting_room.h"

#include <algorithm>

namespace kv {

void WaitingRoom::enter(Session& session, std::vector<std::string> keys, Time deadline) {
  // Turns are taken from the clock, so they go on from those of earlier generations.
  last_turn_ = std::max(last_turn_ + 1, static_cast<std::uint64_t>(store_.now()));
  session.state.wait = Wait{std::move(keys), deadline, last_turn_};
  attach(session);
}

void WaitingRoom::attach(Session& session) {
  if (!session.state.wait) return;
  const Wait& wait = *session.state.wait;
  last_turn_ = std::max(last_turn_, wait.turn);
  for (const std::string& key : wait.keys) of(session.state.db)[key].emplace(wait.turn, &session);
  if (wait.deadline != kNever) deadlines_.emplace(wait.deadline, &session);
  ++size_;
}

void WaitingRoom::detach(Session& session) {
  if (!session.state.wait) return;
  const Wait& wait = *session.state.wait;
  for (const std::string& key : wait.keys) {
    const auto it = of(session.state.db).find(key);
    if (it == of(session.state.db).end()) continue;
    it->second.erase({wait.turn, &session});
    if (it->second.empty()) of(session.state.db).erase(it);
  }
  deadlines_.erase({wait.deadline, &session});
  --size_;
}

void WaitingRoom::release(Session& session) {
  detach(session);
  session.state.wait.reset();
  released_.push_back(session.id);
}

void WaitingRoom::note_list(int db, std::string_view key) {
  if (of(db).empty() || of(db).find(key) == of(db).end()) return;
  ready_.push_back({db, std::string(key)});
}

void WaitingRoom::serve() {
  while (!ready_.empty()) {
    for (const DatabaseKey& key : std::exchange(ready_, {})) serve(key.db, key.key);
  }
}

Session* WaitingRoom::first_in(int db, std::string_view key) {
  const auto it = of(db).find(key);
  if (it == of(db).end()) return nullptr;
  for (const Turn& turn : it->second) {
    if (!turn.second->connection.is_ending()) return turn.second;
  }
  return nullptr;
}

void WaitingRoom::serve(int db, std::string_view key) {
  while (Session* session = first_in(db, key)) {
    Store::Item* item = store_.find(db, key);
    if (item == nullptr || !item->second.value.is_list()) return;
    release(*session);
    reply_popped(*session, store_, db, *item);
  }
}

void WaitingRoom::time_out() {
  while (!deadlines_.empty() && deadlines_.begin()->first <= store_.now()) {
    Session& session = *deadlines_.begin()->second;
    release(session);
    session.reply.nil_array();
  }
}

Time WaitingRoom::next_deadline() const {
  return deadlines_.empty() ? kNever : deadlines_.begin()->first;
}

void reply_popped(Session& session, Store& store, int db, Store::Item& item) {
  List& list = item.second.value.list();
  session.reply.array(2);
  session.reply.bulk(item.first);
  session.reply.bulk(list.front());
  list.pop_front();
  if (list.empty()) {
    store.erase(db, item);
  } else {
    store.changed(db, item.first);
  }
}

}  // namespace kv
