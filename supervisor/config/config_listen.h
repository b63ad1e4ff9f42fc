// The table `listen` of a service: its listeners, each an address or a table with an address and
// what the socket is bound with.
#pragma once

#include <map>

#include "supervisor/config/config_reader.h"

namespace handoff::supervisor {

std::vector<std::string> listen_keys();
void read_listen(ConfigReader& reader, const toml::node& node, ServiceConfig& out);
// Where each listener of the service is in the file: "chat.listen.public".
void note_listeners(const std::string& service, const toml::table& keys,
                    std::map<std::string, unsigned>& lines);

}  // namespace handoff::supervisor
