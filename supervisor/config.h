// What is to run: from handoff.toml, or from the command line of `handoff run`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "address.h"
#include "base/result.h"
#include "core/time.h"

namespace handoff::supervisor {

struct ServiceConfig {
  std::string name;
  std::vector<std::string> command;  // program and arguments
  std::vector<NamedAddress> listen;
  Timeouts timeouts;
  bool restart = true;
  std::map<std::string, std::string> environment;
  std::string working_dir;
};

struct Config {
  std::vector<ServiceConfig> services;
};

// A start frame carries all listeners of a service.
inline constexpr std::size_t kMaxListeners = 250;

// file is the name for messages ("handoff.toml:12: ...").
Result<Config> parse_config(const std::string& text, const std::string& file);
Result<Config> load_config(const std::string& path);

}  // namespace handoff::supervisor
