// PING ECHO SELECT QUIT CLIENT
#include <algorithm>

#include "engine.h"
#include "number.h"

namespace kv {
namespace {

void ping(Call& call) {
  if (call.args.size() > 2) return call.wrong_arity("ping");
  if (!call.session.state.channels.empty()) {  // as a message: a subscriber reads nothing else
    call.reply.array(2);
    call.reply.bulk("pong");
    call.reply.bulk(call.args.size() == 2 ? std::string_view(call.args[1]) : "");
  } else if (call.args.size() == 2) {
    call.reply.bulk(call.args[1]);
  } else {
    call.reply.status("PONG");
  }
}

void echo(Call& call) { call.reply.bulk(call.args[1]); }

void select(Call& call) {
  const auto db = parse_integer(call.args[1]);
  if (!db) return call.reply.error("ERR invalid DB index");
  if (*db < 0 || *db >= kDatabases) return call.reply.error("ERR DB index is out of range");
  call.session.state.db = static_cast<int>(*db);
  call.reply.ok();
}

void quit(Call& call) {
  call.reply.ok();
  call.session.connection.hang_up();
}

void client_setname(Call& call) {
  const std::string& name = call.args[2];
  if (std::any_of(name.begin(), name.end(), [](char c) { return c < '!' || c > '~'; })) {
    return call.reply.error(
        "ERR Client names cannot contain spaces, newlines or special characters.");
  }
  call.session.state.name = name;
  call.reply.ok();
}

void client_getname(Call& call) {
  const std::string& name = call.session.state.name;
  if (name.empty()) return call.reply.nil();
  call.reply.bulk(name);
}

std::string flags_of(const Session& session) {
  std::string flags;
  if (!session.state.channels.empty()) flags += 'P';
  if (session.state.transaction) flags += 'x';
  if (session.state.wait) flags += 'b';
  if (session.state.watched.touched) flags += 'd';
  return flags.empty() ? "N" : flags;
}

std::string describe(const Session& session, Time now) {
  const SessionState& state = session.state;
  const long queued = state.transaction ? static_cast<long>(state.transaction->queue.size()) : -1L;
  std::string line = "id=" + std::to_string(session.id) + " addr=" + session.connection.peer() +
                     " name=" + state.name;
  state.describe(now, line);
  line += " flags=" + flags_of(session) + " db=" + std::to_string(state.db) +
          " sub=" + std::to_string(state.channels.size()) +
          " psub=0 multi=" + std::to_string(queued) +
          " watch=" + std::to_string(state.watched.keys.size());
  return line + "\n";
}

void client_list(Call& call) {
  std::string lines;
  for (const auto& [id, session] : call.engine.sessions()) {
    lines += describe(*session, call.engine.now());
  }
  call.reply.bulk(lines);
}

void client_id(Call& call) { call.reply.integer(static_cast<std::int64_t>(call.session.id)); }

// Client libraries tell their name and version, which nothing here needs.
void client_setinfo(Call& call) { call.reply.ok(); }

constexpr Command kClientCommands[] = {
    {"setname", 3, 0, client_setname}, {"getname", 2, 0, client_getname},
    {"list", 2, 0, client_list},       {"id", 2, 0, client_id},
    {"setinfo", 4, 0, client_setinfo},
};

void client(Call& call) {
  for (const Command& command : kClientCommands) {
    if (!equals_ignoring_case(call.args[1], command.name)) continue;
    if (static_cast<int>(call.args.size()) != command.arity) {
      return call.wrong_arity("client|" + std::string(command.name));
    }
    return command.handler(call);
  }
  call.unknown_subcommand();
}

constexpr Command kCommands[] = {
    {"ping", -1, kFast | kPubSub, ping}, {"echo", 2, kFast, echo},
    {"select", 2, kFast, select},        {"quit", -1, kFast | kPubSub | kUnqueued, quit},
    {"client", -2, 0, client},
};

}  // namespace

std::span<const Command> connection_commands() { return kCommands; }

}  // namespace kv
