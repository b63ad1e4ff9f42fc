// The part of Service that answers the supervisor's questions.
#include "libhandoff/process/service.h"

namespace handoff::io {

void Service::tell_status(const protocol::Query& query) {
  protocol::Status status{.query_id = query.id,
                          .sessions = sessions(),
                          .state = static_cast<std::uint32_t>(state_),
                          .errors = errors_};
  if (query.processes && state_ != HANDOFF_STATE_RETIRED) name_processes(status);
  reports_.status(status);
}

// Of one lane it is known here which sessions have gone.
void Service::name_processes(protocol::Status& status) {
  for (const auto& [session, process] : registry_.processes.all()) {
    if (registry_.lanes == 1 && !registry_.sessions.contains(session)) continue;
    status.more = status.processes.size() == protocol::kMaxProcesses;
    if (status.more) return;
    status.processes.push_back(process);
  }
}

}  // namespace handoff::io
