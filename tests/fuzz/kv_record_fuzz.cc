// A record of kv's data, and the state of one of its sessions, in both versions: another release
// wrote them. What is accepted is written by this release's writer and read as the same again.
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "check.h"
#include "format_1.h"
#include "format_2.h"
#include "session_state.h"

namespace {

using namespace kv;

// The one call that a record comes down to.
struct Call final : RecordTarget {
  std::string what;
  int db = -1;
  std::string key;
  Time at = 0;
  std::optional<Value> value;
  List more;
  int calls = 0;

  void started(Time when) override { note("started").at = when; }
  void put(int in, std::string_view k, Value v) override {
    note("put", in, k).value = std::move(v);
  }
  void append(int in, std::string_view k, List elements) override {
    note("append", in, k).more = std::move(elements);
  }
  void gone(int in, std::string_view k) override { note("gone", in, k); }
  void flushed(int in) override { note("flushed", in); }

  // Everything, for comparison.
  auto all() const {
    Digits room;
    const bool is_text = value && !value->is_list();
    return std::tuple(what, db, key, at, value ? value->expires() : kNever,
                      is_text ? std::string(value->text(room)) : "",
                      value && value->is_list() ? value->list() : more);
  }

 private:
  Call& note(const char* name, int in = -1, std::string_view k = {}) {
    ++calls;
    what = name;
    db = in;
    key = k;
    CHECK_THAT(in >= -1 && in < kDatabases, what);
    return *this;
  }
};

std::optional<Call> read(const RecordFormat& format, std::string_view record) {
  Call call;
  try {
    format.read(record, call);
  } catch (const Malformed&) {
    CHECK_THAT(call.calls == 0, "a record that is refused has done something: " + call.what);
    return std::nullopt;
  }
  CHECK_THAT(call.calls == 1, call.what);
  return call;
}

// As records, of which a long list needs several.
std::vector<std::string> write(const RecordFormat& format, Call& call) {
  std::vector<std::string> out(1);
  if (call.what == "started") {
    format.write_started(call.at, out[0]);
  } else if (call.what == "gone") {
    format.write_gone(call.db, call.key, out[0]);
  } else if (call.what == "flushed") {
    format.write_flushed(call.db, out[0]);
  } else if (call.what == "put") {
    Database database;
    const Database::Item& item = database.put(call.key, std::move(*call.value));
    for (std::size_t from = 0;;) {
      from = format.write_item(call.db, item, from, out.back());
      if (from == 0) break;
      out.emplace_back();
    }
  }
  return out;
}

void check_record(const RecordFormat& format, std::string_view record) {
  auto call = read(format, record);
  if (!call || call->what == "append") return;  // the next part of another one
  const auto expected = call->all();
  const auto records = write(format, *call);
  CHECK_THAT(!records.front().empty(), "nothing was written");
  auto again = read(format, records.front());
  CHECK_THAT(again, records.front());
  for (std::size_t i = 1; i < records.size(); ++i) {
    auto part = read(format, records[i]);
    CHECK_THAT(part && part->what == "append", records[i]);
    List& list = again->value->list();
    list.insert(list.end(), part->more.begin(), part->more.end());
  }
  CHECK_THAT(again->all() == expected, records.front());
}

void check_session(std::string_view bytes) {
  std::optional<SessionState> state;
  try {
    state = decode_session(bytes);
  } catch (const Malformed&) {
  }
  if (state) {
    CHECK_THAT(decode_session(encode_session(*state)) == *state, "version 2");
    const std::string older = session_2_to_1(bytes);
    const SessionState back = decode_session(session_1_to_2(older));
    CHECK_THAT(static_cast<const SessionCore&>(back) == static_cast<const SessionCore&>(*state),
               "to version 1 and back");
  }
  try {
    const std::string newer = session_1_to_2(bytes);
    CHECK_THAT(session_1_to_2(session_2_to_1(newer)) == newer, "version 1");
  } catch (const Malformed&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_record(Format1(), bytes);
  check_record(Format2(), bytes);
  check_session(bytes);
  return 0;
}
