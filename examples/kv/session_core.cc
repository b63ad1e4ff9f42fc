#include "session_core.h"

namespace kv {
namespace {

void encode_strings(const std::vector<std::string>& strings, Encoder& out) {
  out.number(strings.size());
  for (const std::string& s : strings) out.bytes(s);
}

std::vector<std::string> decode_strings(Decoder& in) {
  std::vector<std::string> strings;
  for (std::size_t n = in.count(); n > 0; --n) strings.emplace_back(in.bytes());
  return strings;
}

int decode_db(Decoder& in) {
  const std::uint64_t db = in.number();
  if (db >= kDatabases) throw Malformed("no such database");
  return static_cast<int>(db);
}

void encode_transaction(const Transaction& transaction, Encoder& out) {
  out.flag(transaction.failed);
  out.number(transaction.queue.size());
  for (const Request& request : transaction.queue) encode_strings(request, out);
}

Transaction decode_transaction(Decoder& in) {
  Transaction transaction;
  transaction.failed = in.flag();
  for (std::size_t n = in.count(); n > 0; --n) {
    transaction.queue.push_back(decode_strings(in));
    if (transaction.queue.back().empty()) throw Malformed("an empty command is queued");
  }
  return transaction;
}

void encode_watched(const Watched& watched, Encoder& out) {
  out.flag(watched.touched);
  out.number(watched.keys.size());
  for (const DatabaseKey& key : watched.keys) {
    out.number(static_cast<std::uint64_t>(key.db));
    out.bytes(key.key);
  }
}

Watched decode_watched(Decoder& in) {
  Watched watched;
  watched.touched = in.flag();
  for (std::size_t n = in.count(); n > 0; --n) {
    const int db = decode_db(in);
    watched.keys.push_back({db, std::string(in.bytes())});
  }
  return watched;
}

void encode_wait(const Wait& wait, Encoder& out) {
  encode_strings(wait.keys, out);
  out.signed_number(wait.deadline);
  out.number(wait.turn);
}

Wait decode_wait(Decoder& in) {
  Wait wait;
  wait.keys = decode_strings(in);
  if (wait.keys.empty()) throw Malformed("a wait for nothing");
  wait.deadline = in.signed_number();
  wait.turn = in.number();
  return wait;
}

}  // namespace

void encode_core(const SessionCore& core, Encoder& out) {
  out.number(static_cast<std::uint64_t>(core.db));
  out.bytes(core.name);
  out.flag(core.transaction.has_value());
  if (core.transaction) encode_transaction(*core.transaction, out);
  encode_watched(core.watched, out);
  out.flag(core.wait.has_value());
  if (core.wait) encode_wait(*core.wait, out);
  out.number(core.channels.size());
  for (const std::string& channel : core.channels) out.bytes(channel);
}

SessionCore decode_core(Decoder& in) {
  SessionCore core;
  core.db = decode_db(in);
  core.name = in.bytes();
  if (in.flag()) core.transaction = decode_transaction(in);
  core.watched = decode_watched(in);
  if (in.flag()) core.wait = decode_wait(in);
  for (std::size_t n = in.count(); n > 0; --n) core.channels.emplace(in.bytes());
  return core;
}

}  // namespace kv
