// The data as a section: a walk over all slots while commands go on changing it, and the keys that
// were changed meanwhile, each once with the value that it has when its turn comes.
//
// A record says what is so now, and the heir applies records in order. So a key may be sent any
// number of times, as long as it is sent again after each change. That is ensured by noting every
// changed key from the beginning of the copy on, also where the walk has yet to come.
#ifndef HANDOFF_EXAMPLES_KV_DATA_SECTION_H
#define HANDOFF_EXAMPLES_KV_DATA_SECTION_H

#include <handoff/handoff.hpp>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "engine.h"
#include "records.h"

namespace kv {

class DataSection final : public handoff::Section, private ChangeListener, private RecordTarget {
 public:
  // Borrows engine.
  explicit DataSection(Engine& engine);

  void begin(std::uint32_t version) override;
  bool next(handoff::Phase phase, std::string& record) override;
  void end(bool moved) override;
  void apply(std::uint32_t version, std::string_view record) override;
  void reset() override;

 private:
  // The changes of a database since its changes were sent last: the flush came before those of the
  // keys.
  struct Changes {
    bool flushed = false;
    StringSet keys;
  };
  // A list of which the elements before `from` are sent.
  struct Partial {
    int db;
    std::string key;
    std::size_t from;
  };

  void on_changed(int db, std::string_view key) override;
  void on_flush(int db, const Database& database) override;

  void started(Time at) override;
  void put(int db, std::string_view key, Value value) override;
  void append(int db, std::string_view key, List more) override;
  void gone(int db, std::string_view key) override;
  void flushed(int db) override;

  bool next_of_walk(std::string& record);
  bool next_change(std::string& record);
  void write(int db, const Database::Item& item, std::size_t from, std::string& record);

  Engine& engine_;
  const RecordFormat* format_ = nullptr;  // nullptr while no copy is under way
  bool started_sent_ = false;
  int walk_db_ = 0;
  std::size_t walk_slot_ = 0;
  std::optional<Partial> partial_;
  std::array<Changes, kDatabases> changes_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_DATA_SECTION_H
