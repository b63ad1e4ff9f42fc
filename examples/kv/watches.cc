#include "watches.h"

#include <algorithm>

namespace kv {

void Watches::add(Session& session, int db, std::string_view key) {
  auto& keys = session.state.watched.keys;
  DatabaseKey watched{db, std::string(key)};
  if (std::find(keys.begin(), keys.end(), watched) != keys.end()) return;
  of(db)[watched.key].push_back(&session);
  keys.push_back(std::move(watched));
}

void Watches::clear(Session& session) {
  detach(session);
  session.state.watched = {};
}

void Watches::attach(Session& session) {
  for (const DatabaseKey& key : session.state.watched.keys) of(key.db)[key.key].push_back(&session);
}

void Watches::detach(Session& session) {
  for (const DatabaseKey& key : session.state.watched.keys) {
    const auto it = of(key.db).find(key.key);
    if (it == of(key.db).end()) continue;
    std::erase(it->second, &session);
    if (it->second.empty()) of(key.db).erase(it);
  }
}

void Watches::touch(const Sessions& sessions) {
  for (Session* session : sessions) {
    if (std::exchange(session->state.watched.touched, true)) continue;
    session->connection.note_change();
  }
}

void Watches::on_changed(int db, std::string_view key) {
  if (of(db).empty()) return;
  const auto it = of(db).find(key);
  if (it != of(db).end()) touch(it->second);
}

void Watches::on_flush(int db, const Database& database) {
  for (const auto& [key, sessions] : of(db)) {
    if (database.contains(key)) touch(sessions);
  }
}

}  // namespace kv
