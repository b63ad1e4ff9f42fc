// All messages of handoff.proto, as plain structures with their descriptions.
#pragma once

#include "libhandoff/protocol/channel_messages.h"
#include "libhandoff/protocol/control_orders.h"
#include "libhandoff/protocol/control_reports.h"
#include "libhandoff/protocol/link_messages.h"
#include "libhandoff/protocol/rehearsal_report.h"
#include "libhandoff/protocol/session_messages.h"
