#include "engine.h"

#include <algorithm>
#include <ctime>
#include <iterator>

namespace kv {
namespace {

// A removal of expired keys wakes the process, so they are removed in bunches, 100 ms apart.
// Clients wait for a bunch, so it has at most 1,000 keys; if more have expired, the next comes 1 ms
// later.
constexpr Time kExpiryRest = 100'000;
constexpr std::size_t kExpiryBunch = 1000;

std::string unknown_command(Args args) {
  constexpr std::size_t kShown = 128;
  std::string shown;
  for (const std::string& arg : args.subspan(1)) {
    if (shown.size() >= kShown) break;
    shown += "'" + arg.substr(0, kShown - shown.size()) + "' ";
  }
  return "ERR unknown command '" + args[0].substr(0, kShown) +
         "', with args beginning with: " + shown;
}

bool fits(int arity, std::size_t args) {
  const auto n = static_cast<int>(args);
  return arity >= 0 ? n == arity : n >= -arity;
}

}  // namespace

Time monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Time{now.tv_sec} * kSecond + now.tv_nsec / 1000;
}

Engine::Engine(Clock clock) : waiting(store), clock_(clock), started_(clock()) {
  store.set_now(started_);
  store.listen(watches);
}

void Engine::attach(Session& session) {
  store.set_now(clock_());
  sessions_[session.id] = &session;
  watches.attach(session);
  channels.attach(session);
  waiting.attach(session);
}

void Engine::detach(Session& session) {
  sessions_.erase(session.id);
  watches.detach(session);
  channels.detach(session);
  waiting.detach(session);
}

std::string Engine::refusal(const Command* command, const Session& session, Args args) const {
  if (command == nullptr) return unknown_command(args);
  if (!fits(command->arity, args.size())) {
    return "ERR wrong number of arguments for '" + std::string(command->name) + "' command";
  }
  if (!session.state.channels.empty() && (command->flags & kPubSub) == 0) {
    return "ERR Can't execute '" + std::string(command->name) +
           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
           "context";
  }
  return {};
}

void Engine::execute(Session& session, Args args) {
  store.set_now(clock_());
  ++commands_processed;
  session.state.note_command();
  const Command* command = find_command(args[0]);
  auto& transaction = session.state.transaction;
  if (const std::string why = refusal(command, session, args); !why.empty()) {
    if (transaction) transaction->failed = true;
    session.reply.error(why);
    return;
  }
  if (transaction && (command->flags & kUnqueued) == 0) {
    transaction->queue.emplace_back(std::make_move_iterator(args.begin()),
                                    std::make_move_iterator(args.end()));
    session.reply.status("QUEUED");
    return;
  }
  run(*command, session, args, true);
  waiting.serve();
}

void Engine::run(const Command& command, Session& session, Args args, bool may_wait) {
  Call call{*this, store, session, session.reply, args, may_wait};
  command.handler(call);
}

void Engine::tick() {
  store.set_now(clock_());
  waiting.time_out();
  if (now() < expiry_rests_until_) return;
  const bool more = store.expire_some(kExpiryBunch) == kExpiryBunch;
  expiry_rests_until_ = more ? now() + 1000 : now() + kExpiryRest;
}

Time Engine::next_event() const {
  const Time deadline = waiting.next_deadline();
  const Time expiry = store.next_expiry();
  if (expiry == kNever) return deadline;
  const Time removal = std::max(expiry, expiry_rests_until_);
  return deadline == kNever ? removal : std::min(deadline, removal);
}

}  // namespace kv
