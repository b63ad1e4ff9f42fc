#include "format_2.h"

#include <algorithm>

namespace kv {
namespace {

void put_head(std::string& record, char what, int db, std::string_view key) {
  record.push_back(what);
  Encoder out(record);
  out.number(static_cast<std::uint64_t>(db));
  out.bytes(key);
}

// Returns the element at which the next piece begins, 0 if there is none.
std::size_t put_elements(const List& list, std::size_t from, std::string& record) {
  std::size_t end = from, bytes = 0;
  while (end < list.size() && end - from < Format2::kPieceElements &&
         bytes < Format2::kPieceBytes) {
    bytes += list[end++].size();
  }
  Encoder out(record);
  out.number(end - from);
  for (std::size_t i = from; i < end; ++i) out.bytes(list[i]);
  return end < list.size() ? end : 0;
}

List get_elements(Decoder& in) {
  List list;
  for (std::size_t n = in.count(); n > 0; --n) list.emplace_back(in.bytes());
  if (list.empty()) throw Malformed("a list is empty");
  return list;
}

Value get_value(char what, Decoder& in) {
  const std::uint64_t expires = in.number();
  if (expires > static_cast<std::uint64_t>(INT64_MAX)) throw Malformed("an expiry is out of range");
  Value value = what == 'I'   ? Value(in.signed_number())
                : what == 'S' ? Value(std::string(in.bytes()))
                              : Value(get_elements(in));
  value.set_expires(static_cast<Time>(expires));
  return value;
}

int get_db(Decoder& in) {
  const std::uint64_t db = in.number();
  if (db >= kDatabases) throw Malformed("no such database");
  return static_cast<int>(db);
}

// Reads a record that names a key.
void read_keyed(char what, int db, Decoder& in, RecordTarget& target) {
  const std::string_view key = in.bytes();
  if (what == 'G') {
    in.expect_done();
    target.gone(db, key);
  } else if (what == 'M') {
    List more = get_elements(in);
    in.expect_done();
    target.append(db, key, std::move(more));
  } else {
    Value value = get_value(what, in);
    in.expect_done();
    target.put(db, key, std::move(value));
  }
}

}  // namespace

void Format2::write_started(Time at, std::string& record) const {
  record.push_back('T');
  Encoder(record).signed_number(at);
}

std::size_t Format2::write_item(int db, const Database::Item& item, std::size_t from,
                                std::string& record) const {
  const Value& value = item.second.value;
  Encoder out(record);
  if (from > 0) {
    put_head(record, 'M', db, item.first);
    return put_elements(value.list(), from, record);
  }
  const auto number = value.is_list() ? std::nullopt : value.number();
  put_head(record, value.is_list() ? 'L' : number ? 'I' : 'S', db, item.first);
  out.number(static_cast<std::uint64_t>(value.expires()));
  if (value.is_list()) return put_elements(value.list(), 0, record);
  if (number) {
    out.signed_number(*number);
  } else {
    Digits room;
    out.bytes(value.text(room));
  }
  return 0;
}

void Format2::write_gone(int db, std::string_view key, std::string& record) const {
  put_head(record, 'G', db, key);
}

void Format2::write_flushed(int db, std::string& record) const {
  record.push_back('F');
  Encoder(record).number(static_cast<std::uint64_t>(db));
}

void Format2::read(std::string_view record, RecordTarget& target) const {
  if (record.empty()) throw Malformed("an empty record");
  const char what = record.front();
  Decoder in(record.substr(1));
  if (what == 'T') {
    const Time at = in.signed_number();
    in.expect_done();
    target.started(at);
  } else if (what == 'F') {
    const int db = get_db(in);
    in.expect_done();
    target.flushed(db);
  } else if (std::string_view("ISLMG").find(what) != std::string_view::npos) {
    const int db = get_db(in);
    read_keyed(what, db, in, target);
  } else {
    throw Malformed("a record of an unknown kind");
  }
}

}  // namespace kv
