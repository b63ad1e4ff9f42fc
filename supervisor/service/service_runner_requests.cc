// The part of ServiceRunner that takes what operators ask of the service.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <utility>

#include "supervisor/host/memory_levels.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

void ServiceRunner::upgrade(Named named, const Timeouts& timeouts, const ClientPtr& client,
                            std::vector<std::uint32_t> shares, Duration pause) {
  const bool ignore_memory = named.ignore_memory;
  const bool one_way = named.one_way;
  const Wanted wanted = releases_.wanted(std::move(named));
  request({.to = Probation::Origin::kNew,
           .timeouts = timeouts,
           .shares = std::move(shares),
           .pause = pause,
           .wanted = wanted,
           .id = telling_.asked(client, "upgrade"),
           .ignore_memory = ignore_memory,
           .one_way = one_way},
          wanted.path);
}

void ServiceRunner::upgrade_to_configured(const Named& named, const Timeouts& timeouts,
                                          const ClientPtr& client) {
  Wanted wanted = configured(config_);
  wanted.allow_downgrade = named.allow_downgrade;
  request({.to = Probation::Origin::kNew,
           .timeouts = timeouts,
           .wanted = wanted,
           .id = telling_.asked(client, "upgrade"),
           .unless_so = true,
           .ignore_memory = named.ignore_memory,
           .one_way = named.one_way},
          wanted.path);
}

void ServiceRunner::restart(bool ignore_memory, const Timeouts& timeouts, const ClientPtr& client) {
  HandoffRequested asked{.to = Probation::Origin::kSame,
                         .timeouts = timeouts,
                         .id = telling_.asked(client, "restart"),
                         .ignore_memory = ignore_memory};
  // From nothing, what the configuration names is opened anew.
  if (const auto named = releases_.named(); named && machine_.state() == Service::State::kStopped) {
    asked.to = Probation::Origin::kNew;
    asked.wanted = *named;
    asked.cold = true;
  }
  request(asked, asked.cold ? asked.wanted.path : releases_.running().path);
}

void ServiceRunner::rollback(bool ignore_memory, const Timeouts& timeouts,
                             const ClientPtr& client) {
  const Release* back = releases_.back();
  request({.to = Probation::Origin::kBack,
           .timeouts = timeouts,
           .id = telling_.asked(client, "rollback"),
           .ignore_memory = ignore_memory},
          back != nullptr ? back->path : "");
}

// path: of what it is about, for the history.
void ServiceRunner::request(HandoffRequested request, const std::string& path) {
  if (const auto why = releases_.forbidden(request.to); !why.empty()) {
    answers_.tell(Refuse{"signature", why, request.id});
    return;
  }
  if (lacks_memory(request)) return;
  (void)mend_paths();
  count_donors_sessions();
  if (machine_.state() == Service::State::kRunning) request.donor = machine_.current();
  // Going back and starting are what helps when something is wrong: nothing else has to be right.
  const bool upgrade = request.to == Probation::Origin::kNew && !request.cold;
  if (!upgrade || !host_.history_required()) {
    telling_.record_request(request.id, path);
    return feed(request);
  }
  ++recording_;
  telling_.require_record(request.id, path, [this, request](const Result<void>& recorded) {
    --recording_;
    if (recorded) return feed(request);
    answers_.tell(Refuse{"history",
                         recorded.error().message +
                             "; nothing was begun, since history = \"required\": make room there, "
                             "or set HANDOFF_STATE_DIR to another folder",
                         request.id});
    host_.changed();
  });
}

// Unlike an upgrade it is recorded when it is over: until then nothing is changed that somebody
// would have to know of.
void ServiceRunner::plan(Named named, const Timeouts& timeouts, const ClientPtr& client) {
  const bool ignore_memory = named.ignore_memory;
  const bool one_way = named.one_way;
  HandoffRequested asked{.to = Probation::Origin::kNew,
                         .rehearsal = true,
                         .timeouts = timeouts,
                         .wanted = releases_.wanted(std::move(named)),
                         .id = telling_.asked(client, "plan"),
                         .ignore_memory = ignore_memory,
                         .one_way = one_way};
  if (!lacks_memory(asked)) feed(std::move(asked));
}

// Before anything is begun. True: there is no room for it at all, and whoever has asked is told so.
bool ServiceRunner::lacks_memory(const HandoffRequested& request) {
  const Process* donor = processes_.owner();
  if (machine_.state() != Service::State::kRunning || donor == nullptr) return false;
  const Weighing weighing = weigh_handoff(memory_levels({::getpid(), donor->pid}),
                                          own_memory(donor->pid), ends_together(donor->pid));
  if (weighing.verdict == Weighing::Verdict::kFits) return false;
  if (weighing.verdict == Weighing::Verdict::kNever && !request.ignore_memory) {
    answers_.tell(Refuse{"resources", weighing.text + kRoomAdvice, request.id, request.rehearsal});
    return true;
  }
  spdlog::warn("{}: {}", name(), weighing.text);
  telling_.send(request.id, warning_json(name(), "resources", weighing.text));
  return false;
}

void ServiceRunner::drop_plan(const ClientPtr& client) {
  if (answers_.planning()) feed(RehearsalDropped{});
  if (const auto asking = client.lock()) {
    asking->finish({{"event", "done"}, {"result", "done"}, {"service", name()}});
  }
}

void ServiceRunner::commit(const ClientPtr& client) {
  feed(CommitRequested{telling_.asked(client, "commit")});
}

void ServiceRunner::stop(bool at_once, bool to_stay, const ClientPtr& client) {
  chosen_ = chosen_ || to_stay;
  if (to_stay) telling_.record_stop(client, processes_.party(machine_.current()));
  telling_.waits_for_stop(client);
  feed(StopRequested{at_once, to_stay});
}

}  // namespace handoff::supervisor
