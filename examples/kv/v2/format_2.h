// Version 2 of the section "data": binary and typed. Numbers are varints (signed ones zigzag),
// strings have their length in front; expiry is in microseconds and 0 for never. A list is cut into
// pieces, so that one record stays small however long the list is.
//
//   T MICROSECONDS                  the data was started
//   I DB KEY EXPIRY SIGNED          an integer
//   S DB KEY EXPIRY STRING          any other string
//   L DB KEY EXPIRY N ELEMENT*N     a list, or its beginning
//   M DB KEY N ELEMENT*N            its next elements
//   G DB KEY                        the key is gone
//   F DB                            all keys are gone
#ifndef HANDOFF_EXAMPLES_KV_V2_FORMAT_2_H
#define HANDOFF_EXAMPLES_KV_V2_FORMAT_2_H

#include "records.h"

namespace kv {

class Format2 final : public RecordFormat {
 public:
  // A piece of a list ends after so many elements, or with the one that makes it so large.
  static constexpr std::size_t kPieceElements = 1024;
  static constexpr std::size_t kPieceBytes = 64 * 1024;

  void write_started(Time at, std::string& record) const override;
  std::size_t write_item(int db, const Database::Item& item, std::size_t from,
                         std::string& record) const override;
  void write_gone(int db, std::string_view key, std::string& record) const override;
  void write_flushed(int db, std::string& record) const override;
  void read(std::string_view record, RecordTarget& target) const override;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_V2_FORMAT_2_H
