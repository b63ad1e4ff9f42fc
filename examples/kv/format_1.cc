#include "format_1.h"

#include "number.h"

namespace kv {
namespace {

void put_field(std::string& out, std::string_view value) {
  Digits room;
  out.append(format_integer(static_cast<std::int64_t>(value.size()), room));
  out.push_back(':');
  out.append(value);
  out.push_back(',');
}

void put_number(std::string& out, std::int64_t value) {
  Digits room;
  put_field(out, format_integer(value, room));
}

class Fields {
 public:
  explicit Fields(std::string_view in) : in_(in) {}

  std::string_view text() {
    const std::size_t colon = in_.substr(0, sizeof(Digits)).find(':');
    if (colon == std::string_view::npos) throw Malformed("a field has no length");
    const auto size = parse_integer(in_.substr(0, colon));
    in_.remove_prefix(colon + 1);
    if (!size || *size < 0) throw Malformed("a field's length is no number");
    const auto n = static_cast<std::size_t>(*size);
    if (n >= in_.size() || in_[n] != ',') throw Malformed("a field is cut");
    const std::string_view value = in_.substr(0, n);
    in_.remove_prefix(n + 1);
    return value;
  }
  std::int64_t number(std::int64_t max) {
    const auto value = parse_integer(text());
    if (!value || *value < 0 || *value > max) throw Malformed("a number is out of range");
    return *value;
  }
  int db() { return static_cast<int>(number(kDatabases - 1)); }
  bool done() const { return in_.empty(); }

 private:
  std::string_view in_;
};

constexpr std::int64_t kMaxMilliseconds = INT64_MAX / 1000 - 1;

void read_value(bool is_list, Fields& in, RecordTarget& target) {
  const int db = in.db();
  const std::string_view key = in.text();
  const std::int64_t expires_ms = in.number(kMaxMilliseconds);
  List list;
  if (is_list) {
    for (std::int64_t n = in.number(INT64_MAX); n > 0; --n) list.emplace_back(in.text());
    if (list.empty()) throw Malformed("a list is empty");
  }
  Value value = is_list ? Value(std::move(list)) : Value(std::string(in.text()));
  value.set_expires(expires_ms * 1000);
  if (!in.done()) throw Malformed("fields are left over");
  target.put(db, key, std::move(value));
}

}  // namespace

void Format1::write_started(Time at, std::string& record) const {
  put_field(record, "started");
  put_number(record, at);
}

std::size_t Format1::write_item(int db, const Database::Item& item, std::size_t,
                                std::string& record) const {
  const Value& value = item.second.value;
  put_field(record, value.is_list() ? "list" : "string");
  put_number(record, db);
  put_field(record, item.first);
  put_number(record, (value.expires() + 999) / 1000);
  if (value.is_list()) {
    put_number(record, static_cast<std::int64_t>(value.list().size()));
    for (const std::string& element : value.list()) put_field(record, element);
  } else {
    Digits room;
    put_field(record, value.text(room));
  }
  return 0;
}

void Format1::write_gone(int db, std::string_view key, std::string& record) const {
  put_field(record, "gone");
  put_number(record, db);
  put_field(record, key);
}

void Format1::write_flushed(int db, std::string& record) const {
  put_field(record, "flush");
  put_number(record, db);
}

void Format1::read(std::string_view record, RecordTarget& target) const {
  Fields in(record);
  const std::string_view what = in.text();
  if (what == "string" || what == "list") return read_value(what == "list", in, target);
  if (what == "gone") {
    const int db = in.db();
    const std::string_view key = in.text();
    if (!in.done()) throw Malformed("fields are left over");
    target.gone(db, key);
  } else if (what == "flush") {
    const int db = in.db();
    if (!in.done()) throw Malformed("fields are left over");
    target.flushed(db);
  } else if (what == "started") {
    const Time at = in.number(INT64_MAX);
    if (!in.done()) throw Malformed("fields are left over");
    target.started(at);
  } else {
    throw Malformed("a record of an unknown kind");
  }
}

}  // namespace kv
