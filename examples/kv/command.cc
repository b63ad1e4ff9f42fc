#include "command.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <vector>

#include "number.h"

namespace kv {
namespace {

constexpr std::size_t kLongestName = 32;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

struct Table {
  std::vector<const Command*> commands;
  std::unordered_map<std::string_view, const Command*> by_name;

  Table() {
    for (auto part :
         {connection_commands(), string_commands(), key_commands(), list_commands(),
          transaction_commands(), pubsub_commands(), server_commands(), release_commands()}) {
      for (const Command& command : part) {
        commands.push_back(&command);
        by_name.emplace(command.name, &command);
      }
    }
  }
};

const Table& table() {
  static const Table t;
  return t;
}

}  // namespace

const Command* find_command(std::string_view name) {
  if (name.size() > kLongestName) return nullptr;
  std::array<char, kLongestName> room;
  std::transform(name.begin(), name.end(), room.begin(), lower);
  const auto it = table().by_name.find(std::string_view(room.data(), name.size()));
  return it != table().by_name.end() ? it->second : nullptr;
}

std::span<const Command* const> all_commands() { return table().commands; }

bool equals_ignoring_case(std::string_view a, std::string_view lower_case) {
  return std::equal(a.begin(), a.end(), lower_case.begin(), lower_case.end(),
                    [](char x, char y) { return lower(x) == y; });
}

bool Call::is_type(const Store::Item* item, bool list) const {
  if (item == nullptr || item->second.value.is_list() == list) return true;
  reply.error("WRONGTYPE Operation against a key holding the wrong kind of value");
  return false;
}

void Call::wrong_arity(std::string_view command) const {
  reply.error("ERR wrong number of arguments for '" + std::string(command) + "' command");
}

std::optional<std::int64_t> Call::integer(std::size_t arg) const {
  const auto value = parse_integer(args[arg]);
  if (!value) reply.error("ERR value is not an integer or out of range");
  return value;
}

void Call::unknown_subcommand() const {
  std::string name = args[0];
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  reply.error("ERR unknown subcommand '" + args[1].substr(0, 128) + "'. Try " + name + " HELP.");
}

}  // namespace kv
