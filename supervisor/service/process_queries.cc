// The part of ProcessTable that asks processes, by Query. A service that hangs answers none.
#include <utility>

#include "supervisor/service/process_table.h"

namespace handoff::supervisor {

bool ProcessTable::count_sessions(Generation generation,
                                  std::function<void(std::uint64_t)> counted) {
  return ask(generation, false, [counted = std::move(counted)](const SessionsCounted& answer) {
    counted(answer.sessions);
  });
}

bool ProcessTable::ask_for_processes(Generation generation, Answered answered) {
  return ask(generation, true, std::move(answered));
}

bool ProcessTable::ask(Generation generation, bool processes, Answered answered) {
  Process* process = find(generation);
  if (process == nullptr) return false;
  // The oldest queries were given up long ago and make room.
  if (queries_.size() >= kMaxQueries) queries_.erase(queries_.begin());
  const std::uint64_t id = ++query_;
  queries_[id] = std::move(answered);
  return process->send(protocol::Type::kQuery, encode_query(id, processes));
}

}  // namespace handoff::supervisor
