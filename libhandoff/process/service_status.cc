// The part of Service that answers the supervisor's questions, and says what an author should know
// of his service.
#include <algorithm>
#include <string>
#include <utility>

#include "libhandoff/core/first_turn.h"
#include "libhandoff/process/service.h"

namespace handoff::io {

void Service::tell_status(const protocol::Query& query) {
  protocol::Status status = this->status(query.id);
  if (query.processes && state_ != HANDOFF_STATE_RETIRED) name_processes(status);
  reports_.status(status);
}

protocol::Status Service::status(std::uint64_t query) const {
  return {.query_id = query,
          .sessions = sessions(),
          .state = static_cast<std::uint32_t>(state_),
          .errors = errors_,
          .leaving = leaving_};
}

// Told at once and with each answer: the next supervisor has not heard it. A supervisor from before
// there was this takes it for the answer to a question that it has not asked.
Result<void> Service::leave(std::string why) {
  if (state_ != HANDOFF_STATE_OWNER && state_ != HANDOFF_STATE_DONOR) {
    return fail(HANDOFF_ERR_ORDER, "only the owner of its sockets is started again when it ends");
  }
  leaving_ = protocol::Leaving{std::move(why)};
  reports_.leaving(status(0));
  return {};
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

void Service::tell_what_is_missing() {
  const bool told = registry_.callbacks.retired != nullptr &&
                    std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) {
                      return lane->registry().callbacks.retired != nullptr;
                    });
  if (told || !supervised()) return;
  registry_.log(HANDOFF_LOG_WARNING,
                "this service has no retired(), which tells it to leave once its sockets are the "
                "next release's: after an upgrade it finds its listeners closed");
}

void Service::tell_if_slow(std::uint64_t first_turn_ns) const {
  const auto took = static_cast<core::Duration>(first_turn_ns / 1000);
  const std::string slow = core::why_slow("this release", took, heir_limits_.budget);
  if (!slow.empty()) registry_.log(HANDOFF_LOG_WARNING, slow);
}

}  // namespace handoff::io
