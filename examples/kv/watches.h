// WATCH: the sessions that must know when a key changes.
#ifndef HANDOFF_EXAMPLES_KV_WATCHES_H
#define HANDOFF_EXAMPLES_KV_WATCHES_H

#include <array>
#include <string_view>
#include <vector>

#include "session.h"
#include "store.h"

namespace kv {

// The sessions of each watched key. A session's state has the keys that it watches; this is the way
// back.
class Watches final : public ChangeListener {
 public:
  void add(Session& session, int db, std::string_view key);
  // Forgets what the session watches, and whether it was touched.
  void clear(Session& session);

  // Adds and removes a session with all keys that it watches.
  void attach(Session& session);
  void detach(Session& session);

  void on_changed(int db, std::string_view key) override;
  void on_flush(int db, const Database& database) override;

 private:
  using Sessions = std::vector<Session*>;
  static void touch(const Sessions& sessions);
  StringMap<Sessions>& of(int db) { return by_key_[static_cast<std::size_t>(db)]; }

  std::array<StringMap<Sessions>, kDatabases> by_key_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_WATCHES_H
