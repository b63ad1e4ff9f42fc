#include "supervisor/config/config_history.h"

#include <algorithm>
#include <array>

#include "supervisor/core/byte_size.h"

namespace handoff::supervisor {
namespace {

// A record has its place, and a file a bound that a disk may have.
constexpr std::uint64_t kSmallest = 64'000;
constexpr std::uint64_t kLargest = 1'000'000'000'000;

void read_history_use(ConfigReader& reader, const toml::node& node, HistoryConfig& out) {
  const auto choice = reader.choice(node, "history", {"wanted", "required"});
  if (choice) out.required = *choice == 1;
}

void read_size(ConfigReader& reader, const toml::node& node, HistoryConfig& out) {
  const auto text = node.value_exact<std::string>();
  const auto size = text ? parse_byte_size(*text) : std::nullopt;
  if (!size || *size < kSmallest || *size > kLargest) {
    return reader.wrong(node, "history_size must be " + std::string(kByteSizeHelp) +
                                  ", at least 64kB and at most 1TB");
  }
  out.limits.size = *size;
}

void read_keep(ConfigReader& reader, const toml::node& node, HistoryConfig& out) {
  std::int64_t number = out.limits.keep;
  reader.number(node, "history_keep", 1, JournalLimits::kMostKept, number);
  out.limits.keep = static_cast<int>(number);
}

struct Key {
  const char* name;
  void (*read)(ConfigReader&, const toml::node&, HistoryConfig&);
};
constexpr std::array<Key, 3> kKeys{{
    {"history", read_history_use},
    {"history_size", read_size},
    {"history_keep", read_keep},
}};

}  // namespace

std::vector<std::string> supervisor_keys() {
  std::vector<std::string> out;
  out.reserve(kKeys.size());
  for (const Key& key : kKeys) out.emplace_back(key.name);
  return out;
}

bool read_history_key(ConfigReader& reader, const toml::key& key, const toml::node& node,
                      HistoryConfig& out) {
  const auto* known =
      std::ranges::find_if(kKeys, [&key](const Key& other) { return key.str() == other.name; });
  if (known == kKeys.end()) return false;
  known->read(reader, node, out);
  return true;
}

}  // namespace handoff::supervisor
