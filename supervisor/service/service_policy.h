// What a configuration means to the machine of a service.
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/core/service.h"

namespace handoff::supervisor {

Service::Policy policy_of(const ServiceConfig& config);

}  // namespace handoff::supervisor
