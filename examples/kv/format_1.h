// Version 1 of the section "data": text. A record is a row of netstrings (4:word,), the first of
// which names its type. Numbers are decimal; expiry is in milliseconds, 0 for never.
//
//   7:started, MICROSECONDS
//   6:string,  DB KEY EXPIRY TEXT
//   4:list,    DB KEY EXPIRY N ELEMENT*N
//   4:gone,    DB KEY
//   5:flush,   DB
#ifndef HANDOFF_EXAMPLES_KV_FORMAT_1_H
#define HANDOFF_EXAMPLES_KV_FORMAT_1_H

#include "records.h"

namespace kv {

class Format1 final : public RecordFormat {
 public:
  void write_started(Time at, std::string& record) const override;
  std::size_t write_item(int db, const Database::Item& item, std::size_t from,
                         std::string& record) const override;
  void write_gone(int db, std::string_view key, std::string& record) const override;
  void write_flushed(int db, std::string& record) const override;
  void read(std::string_view record, RecordTarget& target) const override;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_FORMAT_1_H
