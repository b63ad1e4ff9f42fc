// The table `health` of a service: how a release on probation is asked whether it is well.
#pragma once

#include "supervisor/config/config_reader.h"

namespace handoff::supervisor {

std::vector<std::string> health_keys();
void read_health(ConfigReader& reader, const toml::node& node, ServiceConfig& out);
// What can be said only once the whole service was read.
void check_health(ConfigReader& reader, const toml::node& node, const ServiceConfig& service);

}  // namespace handoff::supervisor
