// The section "data" as records. Each is complete by itself and says what is so from now on. A
// version is a way to write them as bytes: format_1.h and v2/format_2.h.
#ifndef HANDOFF_EXAMPLES_KV_RECORDS_H
#define HANDOFF_EXAMPLES_KV_RECORDS_H

#include <cstdint>
#include <string>
#include <string_view>

#include "codec.h"
#include "common.h"
#include "database.h"

namespace kv {

// What records say, as calls: implemented by their reader.
class RecordTarget {
 public:
  virtual void started(Time at) = 0;
  // The key has this value, whatever it had before.
  virtual void put(int db, std::string_view key, Value value) = 0;
  // The list of the record before goes on with these elements.
  virtual void append(int db, std::string_view key, List more) = 0;
  virtual void gone(int db, std::string_view key) = 0;
  virtual void flushed(int db) = 0;

 protected:
  ~RecordTarget() = default;
};

class RecordFormat {
 public:
  virtual ~RecordFormat() = default;
  // Each write function appends to a record that is empty.
  virtual void write_started(Time at, std::string& record) const = 0;
  // A list may need several records: from is the element to begin with. Returns the element at
  // which the next record begins, 0 if this was the last.
  virtual std::size_t write_item(int db, const Database::Item& item, std::size_t from,
                                 std::string& record) const = 0;
  virtual void write_gone(int db, std::string_view key, std::string& record) const = 0;
  virtual void write_flushed(int db, std::string& record) const = 0;
  // Throws Malformed.
  virtual void read(std::string_view record, RecordTarget& target) const = 0;
};

// This release's format of that version; throws Malformed for a version that it does not know.
const RecordFormat& record_format(std::uint32_t version);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_RECORDS_H
