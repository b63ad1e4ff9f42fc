#include "data_section.h"

#include <iterator>

namespace kv {
namespace {

// A call looks at no more free slots than this, so that it ends soon; then it gives an empty
// record.
constexpr std::size_t kSlotsPerCall = 4096;

}  // namespace

DataSection::DataSection(Engine& engine) : engine_(engine) { engine_.store.listen(*this); }

// -- the donor

void DataSection::begin(std::uint32_t version) {
  end(false);
  format_ = &record_format(version);
}

void DataSection::end(bool) {
  format_ = nullptr;
  started_sent_ = false;
  walk_db_ = 0;
  walk_slot_ = 0;
  partial_.reset();
  changes_ = {};
}

bool DataSection::next(handoff::Phase phase, std::string& record) {
  if (format_ == nullptr) return false;
  if (!started_sent_) {
    started_sent_ = true;
    format_->write_started(engine_.started(), record);
    return true;
  }
  if (partial_) {
    const Partial p = std::move(*partial_);
    partial_.reset();
    write(p.db, *engine_.store.peek(p.db, p.key), p.from, record);
    return true;
  }
  return phase == handoff::Phase::kSnapshot ? next_of_walk(record) : next_change(record);
}

void DataSection::write(int db, const Database::Item& item, std::size_t from, std::string& record) {
  const std::size_t next = format_->write_item(db, item, from, record);
  if (next > 0) partial_ = Partial{db, item.first, next};
}

bool DataSection::next_of_walk(std::string& record) {
  for (std::size_t looked = 0; walk_db_ < kDatabases; ++walk_db_, walk_slot_ = 0) {
    const Database& database = engine_.store.database(walk_db_);
    while (walk_slot_ < database.slots()) {
      if (const Database::Item* item = database.at(walk_slot_++)) {
        write(walk_db_, *item, 0, record);
        return true;
      }
      if (++looked == kSlotsPerCall) return true;
    }
  }
  return false;
}

bool DataSection::next_change(std::string& record) {
  for (int db = 0; db < kDatabases; ++db) {
    Changes& changes = changes_[static_cast<std::size_t>(db)];
    if (std::exchange(changes.flushed, false)) {
      format_->write_flushed(db, record);
      return true;
    }
    if (changes.keys.empty()) continue;
    const auto node = changes.keys.extract(changes.keys.begin());
    const std::string& key = node.value();
    if (const Database::Item* item = engine_.store.peek(db, key)) {
      write(db, *item, 0, record);
    } else {
      format_->write_gone(db, key, record);
    }
    return true;
  }
  return false;
}

void DataSection::on_changed(int db, std::string_view key) {
  if (format_ == nullptr) return;
  StringSet& keys = changes_[static_cast<std::size_t>(db)].keys;
  if (keys.find(key) == keys.end()) keys.emplace(key);
  // The pieces of a list that has changed would not fit together. The change sends all of it again.
  if (partial_ && partial_->db == db && partial_->key == key) partial_.reset();
}

void DataSection::on_flush(int db, const Database&) {
  if (format_ == nullptr) return;
  Changes& changes = changes_[static_cast<std::size_t>(db)];
  changes.flushed = true;
  changes.keys.clear();
  if (partial_ && partial_->db == db) partial_.reset();
}

// -- the heir

void DataSection::apply(std::uint32_t version, std::string_view record) {
  if (!record.empty()) record_format(version).read(record, *this);
}

void DataSection::reset() {
  engine_.store.flush_all();
  engine_.set_started(engine_.read_clock());
}

void DataSection::started(Time at) { engine_.set_started(at); }

void DataSection::put(int db, std::string_view key, Value value) {
  engine_.store.put(db, key, std::move(value));
}

void DataSection::append(int db, std::string_view key, List more) {
  Database::Item* item = engine_.store.peek(db, key);
  if (item == nullptr || !item->second.value.is_list()) throw Malformed("a piece of no list");
  List& list = item->second.value.list();
  list.insert(list.end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

void DataSection::gone(int db, std::string_view key) {
  if (Database::Item* item = engine_.store.peek(db, key)) engine_.store.erase(db, *item);
}

void DataSection::flushed(int db) { engine_.store.flush(db); }

}  // namespace kv
