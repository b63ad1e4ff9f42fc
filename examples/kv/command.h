// A command: a row of a table, with its handler.
#ifndef HANDOFF_EXAMPLES_KV_COMMAND_H
#define HANDOFF_EXAMPLES_KV_COMMAND_H

#include <span>
#include <string>
#include <string_view>

#include "session.h"
#include "store.h"

namespace kv {

class Engine;
using Args = std::span<std::string>;

// One command of one session, being carried out. A handler replies exactly once.
struct Call {
  Engine& engine;
  Store& store;
  Session& session;
  Reply& reply;
  Args args;      // with the command's name; may be moved from
  bool may_wait;  // false in EXEC: a command that would wait gives up at once

  int db() const { return session.state.db; }

  // The errors that many commands share. is_type() replies with an error and returns false if the
  // item is of the other type.
  bool is_type(const Store::Item* item, bool list) const;
  void wrong_arity(std::string_view command) const;
  void syntax_error() const { reply.error("ERR syntax error"); }
  // The argument as a number; nothing, with an error as the reply, if it is none.
  std::optional<std::int64_t> integer(std::size_t arg) const;
  void unknown_subcommand() const;
};

enum CommandFlags : unsigned {
  kWrite = 1,      // changes data
  kReadOnly = 2,   // reads data
  kFast = 4,       // takes the same time whatever the data
  kBlocking = 8,   // may wait
  kPubSub = 16,    // allowed to a subscriber
  kUnqueued = 32,  // carried out at once also between MULTI and EXEC
};

struct Command {
  std::string_view name;  // in lower case
  int arity;              // arguments with the name; -n: at least n
  unsigned flags;
  void (*handler)(Call&);
  // The positions of its keys, which COMMAND tells. A last_key of -1 is the last argument.
  int first_key = 0, last_key = 0, key_step = 0;
};

// The command of that name, in whatever case; nullptr if there is none.
const Command* find_command(std::string_view name);
std::span<const Command* const> all_commands();

// The parts of the table, each beside its handlers.
std::span<const Command> connection_commands();
std::span<const Command> string_commands();
std::span<const Command> key_commands();
std::span<const Command> list_commands();
std::span<const Command> transaction_commands();
std::span<const Command> pubsub_commands();
std::span<const Command> server_commands();
std::span<const Command> release_commands();  // that only this release has

bool equals_ignoring_case(std::string_view a, std::string_view lower_case);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_COMMAND_H
