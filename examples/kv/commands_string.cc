// GET SET MGET MSET INCR DECR INCRBY DECRBY
#include "engine.h"
#include "expire_time.h"
#include "number.h"

namespace kv {
namespace {

void reply_text(Call& call, const Store::Item* item) {
  if (item == nullptr || item->second.value.is_list()) return call.reply.nil();
  Digits room;
  call.reply.bulk(item->second.value.text(room));
}

void get(Call& call) {
  const Store::Item* item = call.store.read(call.db(), call.args[1]);
  if (call.is_type(item, false)) reply_text(call, item);
}

void mget(Call& call) {
  call.reply.array(call.args.size() - 1);
  for (const std::string& key : call.args.subspan(1)) {
    reply_text(call, call.store.read(call.db(), key));
  }
}

struct SetOptions {
  bool if_absent = false, if_present = false, get = false, keep_expiry = false;
  std::size_t amount = 0;  // the argument that tells how long the key lives; 0: for ever
  Time unit = 0;
};

std::optional<SetOptions> parse_set_options(const Call& call) {
  SetOptions options;
  for (std::size_t i = 3; i < call.args.size(); ++i) {
    const std::string_view word = call.args[i];
    const bool expires = options.keep_expiry || options.amount != 0;
    if (equals_ignoring_case(word, "nx") && !options.if_present) {
      options.if_absent = true;
    } else if (equals_ignoring_case(word, "xx") && !options.if_absent) {
      options.if_present = true;
    } else if (equals_ignoring_case(word, "get")) {
      options.get = true;
    } else if (equals_ignoring_case(word, "keepttl") && !expires) {
      options.keep_expiry = true;
    } else if ((equals_ignoring_case(word, "ex") || equals_ignoring_case(word, "px")) && !expires &&
               i + 1 < call.args.size()) {
      options.unit = equals_ignoring_case(word, "ex") ? kSecond : kMillisecond;
      options.amount = ++i;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

// When the key expires; nothing, with an error as the reply, if the options name an impossible
// time.
std::optional<Time> expiry_of(Call& call, const SetOptions& options, const Store::Item* old) {
  if (options.keep_expiry) return old != nullptr ? old->second.value.expires() : kNever;
  if (options.amount == 0) return kNever;
  const auto amount = call.integer(options.amount);
  if (!amount) return std::nullopt;
  const auto at = time_from_now(call.store.now(), *amount, options.unit);
  if (*amount > 0 && at) return at;
  call.reply.error("ERR invalid expire time in 'set' command");
  return std::nullopt;
}

void set(Call& call) {
  const auto options = parse_set_options(call);
  if (!options) return call.syntax_error();
  const Store::Item* old = call.store.find(call.db(), call.args[1]);
  const auto expires = expiry_of(call, *options, old);
  if (!expires) return;
  if (options->get) {
    if (!call.is_type(old, false)) return;
    reply_text(call, old);
  }
  const bool refused =
      (options->if_absent && old != nullptr) || (options->if_present && old == nullptr);
  if (!refused) {
    Value value(std::move(call.args[2]));
    value.set_expires(*expires);
    call.store.put(call.db(), call.args[1], std::move(value));
  }
  if (options->get) return;
  if (refused) return call.reply.nil();
  call.reply.ok();
}

void mset(Call& call) {
  if (call.args.size() % 2 == 0) return call.wrong_arity("mset");
  for (std::size_t i = 1; i < call.args.size(); i += 2) {
    call.store.put(call.db(), call.args[i], Value(std::move(call.args[i + 1])));
  }
  call.reply.ok();
}

void add(Call& call, std::int64_t delta) {
  const std::string& key = call.args[1];
  const Store::Item* item = call.store.find(call.db(), key);
  if (!call.is_type(item, false)) return;
  const auto old = item != nullptr ? item->second.value.number() : std::int64_t{0};
  if (!old) return call.reply.error("ERR value is not an integer or out of range");
  std::int64_t sum = 0;
  if (__builtin_add_overflow(*old, delta, &sum)) {
    return call.reply.error("ERR increment or decrement would overflow");
  }
  const Time expires = item != nullptr ? item->second.value.expires() : kNever;
  Store::Item& sum_item = call.store.put(call.db(), key, Value(sum));
  if (expires != kNever) call.store.set_expires(call.db(), sum_item, expires);
  call.reply.integer(sum);
}

void incr(Call& call) { add(call, 1); }
void decr(Call& call) { add(call, -1); }

void incrby(Call& call) {
  if (const auto delta = call.integer(2)) add(call, *delta);
}

void decrby(Call& call) {
  const auto delta = call.integer(2);
  if (!delta) return;
  if (*delta == INT64_MIN) return call.reply.error("ERR decrement would overflow");
  add(call, -*delta);
}

constexpr Command kCommands[] = {
    {"get", 2, kReadOnly | kFast, get, 1, 1, 1},     {"set", -3, kWrite, set, 1, 1, 1},
    {"mget", -2, kReadOnly | kFast, mget, 1, -1, 1}, {"mset", -3, kWrite, mset, 1, -1, 2},
    {"incr", 2, kWrite | kFast, incr, 1, 1, 1},      {"decr", 2, kWrite | kFast, decr, 1, 1, 1},
    {"incrby", 3, kWrite | kFast, incrby, 1, 1, 1},  {"decrby", 3, kWrite | kFast, decrby, 1, 1, 1},
};

}  // namespace

std::span<const Command> string_commands() { return kCommands; }

}  // namespace kv
