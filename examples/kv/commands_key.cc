// DEL EXISTS TYPE KEYS DBSIZE FLUSHDB FLUSHALL EXPIRE PEXPIRE TTL PTTL PERSIST
#include "engine.h"
#include "expire_time.h"
#include "glob.h"

namespace kv {
namespace {

void del(Call& call) {
  std::int64_t n = 0;
  for (const std::string& key : call.args.subspan(1)) n += call.store.erase(call.db(), key) ? 1 : 0;
  call.reply.integer(n);
}

void exists(Call& call) {
  std::int64_t n = 0;
  for (const std::string& key : call.args.subspan(1)) {
    n += call.store.read(call.db(), key) != nullptr ? 1 : 0;
  }
  call.reply.integer(n);
}

void type(Call& call) {
  const Store::Item* item = call.store.find(call.db(), call.args[1]);
  call.reply.status(item != nullptr ? item->second.value.type_name() : "none");
}

void keys(Call& call) {
  const Database& database = call.store.database(call.db());
  std::vector<std::string_view> found;
  for (std::size_t slot = 0; slot < database.slots(); ++slot) {
    const Store::Item* item = database.at(slot);
    if (item == nullptr || !glob_match(call.args[1], item->first)) continue;
    const Time expires = item->second.value.expires();
    if (expires == kNever || expires > call.store.now()) found.push_back(item->first);
  }
  call.reply.array(found.size());
  for (const std::string_view key : found) call.reply.bulk(key);
}

void dbsize(Call& call) {
  call.reply.integer(static_cast<std::int64_t>(call.store.database(call.db()).size()));
}

// FLUSHALL [ASYNC | SYNC]: either way all keys are gone before the reply.
bool flush_is_valid(const Call& call) {
  if (call.args.size() == 1) return true;
  const bool known = call.args.size() == 2 && (equals_ignoring_case(call.args[1], "async") ||
                                               equals_ignoring_case(call.args[1], "sync"));
  if (!known) call.syntax_error();
  return known;
}

void flushdb(Call& call) {
  if (!flush_is_valid(call)) return;
  call.store.flush(call.db());
  call.reply.ok();
}

void flushall(Call& call) {
  if (!flush_is_valid(call)) return;
  call.store.flush_all();
  call.reply.ok();
}

struct ExpireOptions {
  bool if_none = false, if_some = false, if_later = false, if_sooner = false;
};

std::optional<ExpireOptions> parse_expire_options(const Call& call) {
  ExpireOptions options;
  for (const std::string& word : call.args.subspan(3)) {
    if (equals_ignoring_case(word, "nx")) {
      options.if_none = true;
    } else if (equals_ignoring_case(word, "xx")) {
      options.if_some = true;
    } else if (equals_ignoring_case(word, "gt")) {
      options.if_later = true;
    } else if (equals_ignoring_case(word, "lt")) {
      options.if_sooner = true;
    } else {
      call.reply.error("ERR Unsupported option " + word);
      return std::nullopt;
    }
  }
  if (options.if_none && (options.if_some || options.if_later || options.if_sooner)) {
    call.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (options.if_later && options.if_sooner) {
    call.reply.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return options;
}

bool applies(const ExpireOptions& options, Time old, Time fresh) {
  if (options.if_none && old != kNever) return false;
  if (options.if_some && old == kNever) return false;
  if (options.if_later && (old == kNever || fresh <= old)) return false;
  return !(options.if_sooner && old != kNever && fresh >= old);
}

void expire_in(Call& call, Time unit, std::string_view command) {
  const auto amount = call.integer(2);
  if (!amount) return;
  const auto options = parse_expire_options(call);
  if (!options) return;
  const auto at = time_from_now(call.store.now(), *amount, unit);
  if (!at) {
    return call.reply.error("ERR invalid expire time in '" + std::string(command) + "' command");
  }
  Store::Item* item = call.store.find(call.db(), call.args[1]);
  if (item == nullptr || !applies(*options, item->second.value.expires(), *at)) {
    return call.reply.integer(0);
  }
  if (*at <= call.store.now()) {
    call.store.erase(call.db(), *item);
  } else {
    call.store.set_expires(call.db(), *item, *at);
  }
  call.reply.integer(1);
}

void expire(Call& call) { expire_in(call, kSecond, "expire"); }
void pexpire(Call& call) { expire_in(call, kMillisecond, "pexpire"); }

// Replies with the time that is left, in unit. rounding is added before the division.
void reply_ttl(Call& call, Time unit, Time rounding) {
  const Store::Item* item = call.store.find(call.db(), call.args[1]);
  if (item == nullptr) return call.reply.integer(-2);
  const Time at = item->second.value.expires();
  if (at == kNever) return call.reply.integer(-1);
  call.reply.integer((at - call.store.now() + rounding) / unit);
}

void ttl(Call& call) { reply_ttl(call, kSecond, kSecond / 2); }
void pttl(Call& call) { reply_ttl(call, kMillisecond, kMillisecond - 1); }

void persist(Call& call) {
  Store::Item* item = call.store.find(call.db(), call.args[1]);
  if (item == nullptr || item->second.value.expires() == kNever) return call.reply.integer(0);
  call.store.set_expires(call.db(), *item, kNever);
  call.reply.integer(1);
}

constexpr Command kCommands[] = {
    {"del", -2, kWrite, del, 1, -1, 1},
    {"exists", -2, kReadOnly | kFast, exists, 1, -1, 1},
    {"type", 2, kReadOnly | kFast, type, 1, 1, 1},
    {"keys", 2, kReadOnly, keys},
    {"dbsize", 1, kReadOnly | kFast, dbsize},
    {"flushdb", -1, kWrite, flushdb},
    {"flushall", -1, kWrite, flushall},
    {"expire", -3, kWrite | kFast, expire, 1, 1, 1},
    {"pexpire", -3, kWrite | kFast, pexpire, 1, 1, 1},
    {"ttl", 2, kReadOnly | kFast, ttl, 1, 1, 1},
    {"pttl", 2, kReadOnly | kFast, pttl, 1, 1, 1},
    {"persist", 2, kWrite | kFast, persist, 1, 1, 1},
};

}  // namespace

std::span<const Command> key_commands() { return kCommands; }

}  // namespace kv
