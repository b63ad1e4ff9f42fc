// The keys of the history, which are the supervisor's and stand outside of services.
#pragma once

#include "supervisor/config/config_reader.h"

namespace handoff::supervisor {

// False: key is none of them.
bool read_history_key(ConfigReader& reader, const toml::key& key, const toml::node& node,
                      HistoryConfig& out);

}  // namespace handoff::supervisor
