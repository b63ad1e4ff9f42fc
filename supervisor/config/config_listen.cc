#include "supervisor/config/config_listen.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace handoff::supervisor {
namespace {

using Kind = core::Address::Kind;

constexpr std::size_t kMaxUser = 64;
constexpr std::int64_t kMostBacklog = 1'000'000;
constexpr std::size_t kMaxDevice = 15;  // IFNAMSIZ without its NUL, netdevice(7)

// A listener as far as it was read, and how it is called in messages.
struct Reading {
  ConfigReader& reader;
  std::string what;  // "listen.public"
  NamedAddress& out;
};

void read_address(const Reading& at, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  if (!text) {
    return at.reader.wrong(node, "the address of listener " + supervisor::quoted(at.out.name) +
                                     " must be a string, e.g. \"tcp:0.0.0.0:7000\"");
  }
  auto address = core::parse_address(*text);
  if (!address) return at.reader.wrong(node, address.error());
  at.out.address = std::move(*address);
}

void read_mode(const Reading& at, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  std::uint32_t mode = 0;
  const auto wrong = [&] {
    at.reader.wrong(node, at.what + ".mode must be three octal digits in a string, e.g. \"0660\"");
  };
  if (!text || text->size() < 3 || text->size() > 4) return wrong();
  const char* end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, mode, 8);
  if (error != std::errc() || stopped != end || mode > 0777) return wrong();
  at.out.options.bind.mode = mode;
}

bool is_account(const std::string& name) {
  return name.size() <= kMaxUser && std::all_of(name.begin(), name.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '/' && c != ':';
         });
}

void read_owner(const Reading& at, const toml::node& node) {
  const auto text = node.value_exact<std::string>();
  const auto wrong = [&] {
    at.reader.wrong(node, at.what + ".owner must be \"USER\", \"USER:GROUP\" or \":GROUP\"");
  };
  if (!text) return wrong();
  const std::size_t colon = text->find(':');
  const std::string user = text->substr(0, colon);
  const std::string group = colon == std::string::npos ? "" : text->substr(colon + 1);
  const bool ends_so = colon != std::string::npos && group.empty();
  if (ends_so || (user.empty() && group.empty()) || !is_account(user) || !is_account(group)) {
    return wrong();
  }
  at.out.options.user = user;
  at.out.options.group = group;
}

void read_backlog(const Reading& at, const toml::node& node) {
  std::int64_t number = 0;
  at.reader.number(node, at.what + ".backlog", 1, kMostBacklog, number);
  if (number > 0) at.out.options.bind.backlog = static_cast<int>(number);
}

void read_v6only(const Reading& at, const toml::node& node) {
  bool only = true;
  at.reader.flag(node, at.what + ".v6only", only);
  at.out.options.bind.v6only = only;
}

void read_device(const Reading& at, const toml::node& node) {
  std::string device;
  at.reader.text(node, at.what + ".device", device);
  const bool fits = std::all_of(device.begin(), device.end(),
                                [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
  if (device.empty() || device.size() > kMaxDevice || !fits) {
    return at.reader.wrong(node, at.what + ".device must be the name of a network device, " +
                                     "of 1 to 15 letters, e.g. \"eth0\"");
  }
  at.out.options.bind.device = device;
}

bool is_file(const core::Address& address) {
  return address.kind == Kind::kUnix && !address.abstract;
}
bool is_ip(const core::Address& address) { return address.kind != Kind::kUnix; }
bool is_v6(const core::Address& address) { return is_ip(address) && address.v6; }
bool has_queue(const core::Address& address) { return address.kind != Kind::kUdp; }

// The keys of a listener's table, in the order in which people are told of them.
struct Key {
  const char* name;
  void (*read)(const Reading&, const toml::node&);
  bool (*fits)(const core::Address&);  // nullptr: every address
  const char* of;                      // the addresses that it fits
};
constexpr std::array<Key, 8> kKeys{{
    {"address", read_address, nullptr, ""},
    {"mode", read_mode, is_file, "unix:/PATH"},
    {"owner", read_owner, is_file, "unix:/PATH"},
    {"backlog", read_backlog, has_queue, "tcp: and unix:"},
    {"v6only", read_v6only, is_v6, "an IPv6 address"},
    {"freebind",
     [](const Reading& at, const toml::node& node) {
       at.reader.flag(node, at.what + ".freebind", at.out.options.bind.freebind);
     },
     is_ip, "tcp: and udp:"},
    {"reuseport",
     [](const Reading& at, const toml::node& node) {
       at.reader.flag(node, at.what + ".reuseport", at.out.options.bind.reuseport);
     },
     is_ip, "tcp: and udp:"},
    {"device", read_device, is_ip, "tcp: and udp:"},
}};

std::vector<std::string> key_names() {
  std::vector<std::string> out;
  out.reserve(kKeys.size());
  for (const Key& key : kKeys) out.emplace_back(key.name);
  return out;
}

void read_table(const Reading& at, const toml::table& table) {
  const auto known = [](const toml::key& key) {
    return std::find_if(kKeys.begin(), kKeys.end(),
                        [&](const Key& other) { return key.str() == other.name; });
  };
  for (const auto& [key, value] : table) {
    const auto* const found = known(key);
    if (found == kKeys.end()) {
      at.reader.unknown(key, at.what, key_names());
    } else {
      found->read(at, value);
    }
  }
  if (!table.contains("address")) {
    return at.reader.wrong(table, at.what + " has no address, e.g. \"tcp:0.0.0.0:7000\"");
  }
  if (at.out.address.host.empty()) return;  // told
  for (const auto& [key, value] : table) {
    const auto* const found = known(key);
    if (found == kKeys.end() || found->fits == nullptr || found->fits(at.out.address)) continue;
    at.reader.wrong(value, at.what + "." + found->name + " goes with " + found->of + ", not with " +
                               core::to_string(at.out.address));
  }
}

}  // namespace

std::vector<std::string> listen_keys() { return key_names(); }

void read_listen(ConfigReader& reader, const toml::node& node, ServiceConfig& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return reader.wrong(
        node,
        "listen must be a table of names and addresses, e.g. { public = \"tcp:0.0.0.0:7000\" }");
  }
  for (const auto& [key, value] : *table) {
    if (!core::valid_name(key)) {
      reader.wrong(key,
                   supervisor::quoted(key) + " is no name: letters, digits, . _ - and at most 64");
      continue;
    }
    NamedAddress named{.name = std::string(key.str()), .address = {}};
    const Reading at{reader, "listen." + named.name, named};
    if (const toml::table* options = value.as_table()) {
      read_table(at, *options);
    } else {
      read_address(at, value);
    }
    if (!named.address.host.empty()) out.listen.push_back(std::move(named));
  }
  if (out.listen.size() > kMaxListeners) {
    reader.wrong(node, "a service has at most " + std::to_string(kMaxListeners) + " listeners");
  }
}

void note_listeners(const std::string& service, const toml::table& keys,
                    std::map<std::string, unsigned>& lines) {
  const toml::table* listen = keys.get_as<toml::table>("listen");
  if (listen == nullptr) return;
  for (const auto& [key, value] : *listen) {
    lines[service + ".listen." + std::string(key.str())] = key.source().begin.line;
  }
}

}  // namespace handoff::supervisor
