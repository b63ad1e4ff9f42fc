// MULTI EXEC DISCARD WATCH UNWATCH
#include "engine.h"

namespace kv {
namespace {

void multi(Call& call) {
  auto& transaction = call.session.state.transaction;
  if (transaction) return call.reply.error("ERR MULTI calls can not be nested");
  transaction.emplace();
  call.reply.ok();
}

// Whether EXEC must do nothing. A watched key that is past its time counts as changed, also while
// it has not been removed yet.
bool is_touched(Call& call) {
  const Watched& watched = call.session.state.watched;
  for (const DatabaseKey& key : watched.keys) call.store.find(key.db, key.key);
  return watched.touched;
}

void exec(Call& call) {
  if (!call.session.state.transaction) return call.reply.error("ERR EXEC without MULTI");
  const bool touched = is_touched(call);
  Transaction transaction = std::move(*call.session.state.transaction);
  call.session.state.transaction.reset();
  call.engine.watches.clear(call.session);
  if (transaction.failed) {
    return call.reply.error("EXECABORT Transaction discarded because of previous errors.");
  }
  if (touched) return call.reply.nil_array();
  call.reply.array(transaction.queue.size());
  for (Request& request : transaction.queue) {
    call.engine.run(*find_command(request[0]), call.session, request, false);
  }
}

void discard(Call& call) {
  if (!call.session.state.transaction) return call.reply.error("ERR DISCARD without MULTI");
  call.session.state.transaction.reset();
  call.engine.watches.clear(call.session);
  call.reply.ok();
}

void watch(Call& call) {
  if (call.session.state.transaction) {
    return call.reply.error("ERR WATCH inside MULTI is not allowed");
  }
  for (const std::string& key : call.args.subspan(1)) {
    call.store.find(call.db(), key);  // removes a key that is past its time, before it is watched
    call.engine.watches.add(call.session, call.db(), key);
  }
  call.reply.ok();
}

void unwatch(Call& call) {
  call.engine.watches.clear(call.session);
  call.reply.ok();
}

constexpr Command kCommands[] = {
    {"multi", 1, kFast | kUnqueued, multi},
    {"exec", 1, kUnqueued, exec},
    {"discard", 1, kFast | kUnqueued, discard},
    {"watch", -2, kFast | kUnqueued, watch, 1, -1, 1},
    {"unwatch", 1, kFast, unwatch},
};

}  // namespace

std::span<const Command> transaction_commands() { return kCommands; }

}  // namespace kv
