// LPUSH RPUSH LPOP RPOP LLEN LRANGE BLPOP
#include <algorithm>
#include <cmath>

#include "engine.h"
#include "number.h"

namespace kv {
namespace {

enum class End { kLeft, kRight };

std::string take(List& list, End end) {
  std::string value;
  if (end == End::kLeft) {
    value = std::move(list.front());
    list.pop_front();
  } else {
    value = std::move(list.back());
    list.pop_back();
  }
  return value;
}

void push(Call& call, End end) {
  const std::string& key = call.args[1];
  Store::Item* item = call.store.find(call.db(), key);
  if (!call.is_type(item, true)) return;
  if (item == nullptr) item = &call.store.put(call.db(), key, Value(List()));
  List& list = item->second.value.list();
  for (std::string& element : call.args.subspan(2)) {
    if (end == End::kLeft) {
      list.push_front(std::move(element));
    } else {
      list.push_back(std::move(element));
    }
  }
  call.reply.integer(static_cast<std::int64_t>(list.size()));
  call.store.changed(call.db(), key);
  call.engine.waiting.note_list(call.db(), key);
}

void lpush(Call& call) { push(call, End::kLeft); }
void rpush(Call& call) { push(call, End::kRight); }

void after_pop(Call& call, Store::Item& item) {
  if (item.second.value.list().empty()) {
    call.store.erase(call.db(), item);
  } else {
    call.store.changed(call.db(), item.first);
  }
}

void pop_several(Call& call, Store::Item* item, End end, std::size_t wanted) {
  if (item == nullptr) return call.reply.nil_array();
  List& list = item->second.value.list();
  const std::size_t n = std::min(wanted, list.size());
  call.reply.array(n);
  if (n == 0) return;
  for (std::size_t i = 0; i < n; ++i) call.reply.bulk(take(list, end));
  after_pop(call, *item);
}

void pop(Call& call, End end, std::string_view command) {
  if (call.args.size() > 3) return call.wrong_arity(command);
  std::optional<std::int64_t> count;
  if (call.args.size() == 3) {
    count = parse_integer(call.args[2]);
    if (!count || *count < 0) {
      return call.reply.error("ERR value is out of range, must be positive");
    }
  }
  Store::Item* item = call.store.find(call.db(), call.args[1]);
  if (!call.is_type(item, true)) return;
  if (count) return pop_several(call, item, end, static_cast<std::size_t>(*count));
  if (item == nullptr) return call.reply.nil();
  call.reply.bulk(take(item->second.value.list(), end));
  after_pop(call, *item);
}

void lpop(Call& call) { pop(call, End::kLeft, "lpop"); }
void rpop(Call& call) { pop(call, End::kRight, "rpop"); }

void llen(Call& call) {
  const Store::Item* item = call.store.read(call.db(), call.args[1]);
  if (!call.is_type(item, true)) return;
  const std::size_t n = item != nullptr ? item->second.value.list().size() : 0;
  call.reply.integer(static_cast<std::int64_t>(n));
}

void lrange(Call& call) {
  auto first = call.integer(2);
  if (!first) return;
  auto last = call.integer(3);
  if (!last) return;
  const Store::Item* item = call.store.read(call.db(), call.args[1]);
  if (!call.is_type(item, true)) return;
  if (item == nullptr) return call.reply.array(0);
  const List& list = item->second.value.list();
  const auto size = static_cast<std::int64_t>(list.size());
  if (*first < 0) first = std::max<std::int64_t>(0, *first + size);
  if (*last < 0) last = *last + size;
  last = std::min(*last, size - 1);
  if (*first > *last) return call.reply.array(0);
  call.reply.array(static_cast<std::size_t>(*last - *first + 1));
  for (auto i = *first; i <= *last; ++i) call.reply.bulk(list[static_cast<std::size_t>(i)]);
}

// The deadline; kNever to wait for ever. Nothing, with an error as the reply, if text is no
// timeout.
std::optional<Time> parse_timeout(Call& call, std::string_view text) {
  const auto seconds = parse_decimal(text);
  if (!seconds) {
    call.reply.error("ERR timeout is not a float or out of range");
    return std::nullopt;
  }
  if (*seconds < 0) {
    call.reply.error("ERR timeout is negative");
    return std::nullopt;
  }
  if (*seconds == 0) return kNever;
  const double us = std::ceil(*seconds * static_cast<double>(kSecond));
  if (us > 1e18) {
    call.reply.error("ERR timeout is out of range");
    return std::nullopt;
  }
  return call.store.now() + static_cast<Time>(us);
}

void blpop(Call& call) {
  const auto deadline = parse_timeout(call, call.args.back());
  if (!deadline) return;
  const Args keys = call.args.subspan(1, call.args.size() - 2);
  for (const std::string& key : keys) {
    Store::Item* item = call.store.find(call.db(), key);
    if (item == nullptr) continue;
    if (!call.is_type(item, true)) return;
    return reply_popped(call.session, call.store, call.db(), *item);
  }
  if (!call.may_wait) return call.reply.nil_array();
  call.engine.waiting.enter(call.session, {keys.begin(), keys.end()}, *deadline);
}

constexpr Command kCommands[] = {
    {"lpush", -3, kWrite | kFast, lpush, 1, 1, 1},
    {"rpush", -3, kWrite | kFast, rpush, 1, 1, 1},
    {"lpop", -2, kWrite | kFast, lpop, 1, 1, 1},
    {"rpop", -2, kWrite | kFast, rpop, 1, 1, 1},
    {"llen", 2, kReadOnly | kFast, llen, 1, 1, 1},
    {"lrange", 4, kReadOnly, lrange, 1, 1, 1},
    {"blpop", -3, kWrite | kBlocking, blpop, 1, -2, 1},
};

}  // namespace

std::span<const Command> list_commands() { return kCommands; }

}  // namespace kv
