// WATCH: who must know that a key was changed.
#ifndef HANDOFF_EXAMPLES_KV_WATCHES_H
#define HANDOFF_EXAMPLES_KV_WATCHES_H

#include <array>
#include <string_view>
#include <vector>

#include "session.h"
#include "store.h"

namespace kv {

// What a session watches stands in its state; this is the way back from the key to the sessions.
class Watches final : public ChangeListener {
 public:
  void add(Session& session, int db, std::string_view key);
  // Forgets what the session watches, and whether it was touched.
  void clear(Session& session);

  // A session that came or goes with what it watches.
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
