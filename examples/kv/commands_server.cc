// INFO CONFIG COMMAND
#include <sys/utsname.h>
#include <unistd.h>

#include "engine.h"
#include "glob.h"
#include "release.h"

namespace kv {
namespace {

void line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(":").append(value).append("\r\n");
}
void line(std::string& out, std::string_view name, std::uint64_t value) {
  line(out, name, std::to_string(value));
}

void info_server(const Engine& engine, std::string& out) {
  utsname host{};
  ::uname(&host);
  line(out, "redis_version", "7.0.0");  // the release of Redis that has these commands
  line(out, "redis_mode", "standalone");
  line(out, "os", std::string(host.sysname) + " " + host.release + " " + host.machine);
  line(out, "process_id", static_cast<std::uint64_t>(::getpid()));
  const std::string& address = engine.facts.address;
  line(out, "tcp_port", address.substr(address.rfind(':') + 1));
  line(out, "uptime_in_seconds",
       static_cast<std::uint64_t>((engine.now() - engine.started()) / kSecond));
}

void info_clients(const Engine& engine, std::string& out) {
  line(out, "connected_clients", engine.sessions().size());
  line(out, "blocked_clients", engine.waiting.size());
}

void info_stats(const Engine& engine, std::string& out) {
  line(out, "total_connections_received", engine.connections_received);
  line(out, "total_commands_processed", engine.commands_processed);
  line(out, "expired_keys", engine.store.expired_keys());
  line(out, "keyspace_hits", engine.store.hits());
  line(out, "keyspace_misses", engine.store.misses());
  line(out, "pubsub_channels", engine.channels.size());
}

void info_handoff(const Engine& engine, std::string& out) {
  line(out, "handoff_release", static_cast<std::uint64_t>(kRelease));
  line(out, "handoff_generation", engine.facts.generation);
  line(out, "handoff_supervised", engine.facts.supervised ? "1" : "0");
}

void info_keyspace(const Engine& engine, std::string& out) {
  for (int db = 0; db < kDatabases; ++db) {
    const Database& database = engine.store.database(db);
    if (database.size() == 0) continue;
    line(out, "db" + std::to_string(db),
         "keys=" + std::to_string(database.size()) +
             ",expires=" + std::to_string(database.expiring()) + ",avg_ttl=0");
  }
}

struct InfoSection {
  std::string_view title;
  std::string_view name;
  void (*write)(const Engine&, std::string&);
};
constexpr InfoSection kInfoSections[] = {
    {"Server", "server", info_server},       {"Clients", "clients", info_clients},
    {"Stats", "stats", info_stats},          {"Handoff", "handoff", info_handoff},
    {"Keyspace", "keyspace", info_keyspace},
};

bool is_wanted(const InfoSection& section, Args args) {
  if (args.size() == 1) return true;
  for (const std::string& word : args.subspan(1)) {
    for (const std::string_view name :
         {section.name, std::string_view("all"), std::string_view("everything"),
          std::string_view("default")}) {
      if (equals_ignoring_case(word, name)) return true;
    }
  }
  return false;
}

void info(Call& call) {
  std::string out;
  for (const InfoSection& section : kInfoSections) {
    if (!is_wanted(section, call.args)) continue;
    if (!out.empty()) out += "\r\n";
    out.append("# ").append(section.title).append("\r\n");
    section.write(call.engine, out);
  }
  call.reply.bulk(out);
}

struct Parameter {
  std::string_view name, value;
};
// The parameters that clients ask for. None can be set.
constexpr Parameter kParameters[] = {
    {"appendonly", "no"}, {"databases", "16"},
    {"maxmemory", "0"},   {"proto-max-bulk-len", "536870912"},
    {"save", ""},         {"timeout", "0"},
};

void config(Call& call) {
  if (!equals_ignoring_case(call.args[1], "get")) return call.unknown_subcommand();
  if (call.args.size() < 3) return call.wrong_arity("config|get");
  std::vector<const Parameter*> found;
  for (const Parameter& parameter : kParameters) {
    for (const std::string& pattern : call.args.subspan(2)) {
      if (!glob_match(pattern, parameter.name)) continue;
      found.push_back(&parameter);
      break;
    }
  }
  call.reply.array(found.size() * 2);
  for (const Parameter* parameter : found) {
    call.reply.bulk(parameter->name);
    call.reply.bulk(parameter->value);
  }
}

void reply_command(Call& call, const Command& command) {
  call.reply.array(6);
  call.reply.bulk(command.name);
  call.reply.integer(command.arity);
  std::vector<std::string_view> flags;
  if ((command.flags & kWrite) != 0) flags.push_back("write");
  if ((command.flags & kReadOnly) != 0) flags.push_back("readonly");
  if ((command.flags & kFast) != 0) flags.push_back("fast");
  if ((command.flags & kBlocking) != 0) flags.push_back("blocking");
  if ((command.flags & kPubSub) != 0) flags.push_back("pubsub");
  call.reply.array(flags.size());
  for (const std::string_view flag : flags) call.reply.status(flag);
  call.reply.integer(command.first_key);
  call.reply.integer(command.last_key);
  call.reply.integer(command.key_step);
}

void command_info(Call& call) {
  const Args names = call.args.subspan(2);
  call.reply.array(names.size());
  for (const std::string& name : names) {
    if (const Command* command = find_command(name)) {
      reply_command(call, *command);
    } else {
      call.reply.nil_array();
    }
  }
}

void command(Call& call) {
  if (call.args.size() == 1) {
    call.reply.array(all_commands().size());
    for (const Command* c : all_commands()) reply_command(call, *c);
  } else if (equals_ignoring_case(call.args[1], "count")) {
    call.reply.integer(static_cast<std::int64_t>(all_commands().size()));
  } else if (equals_ignoring_case(call.args[1], "docs")) {
    call.reply.array(0);  // redis-cli asks for the docs, and can do without
  } else if (equals_ignoring_case(call.args[1], "info")) {
    command_info(call);
  } else {
    call.unknown_subcommand();
  }
}

constexpr Command kCommands[] = {
    {"info", -1, 0, info},
    {"config", -2, 0, config},
    {"command", -1, 0, command},
};

}  // namespace

std::span<const Command> server_commands() { return kCommands; }

}  // namespace kv
