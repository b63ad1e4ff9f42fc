// The part of ServiceRunner that starts a process: in its turn, once its release is open.
#include <utility>

#include "supervisor/base/shortage.h"
#include "supervisor/listeners/socket_file.h"
#include "supervisor/loop/thread_work.h"
#include "supervisor/releases/vault_reader.h"
#include "supervisor/service/service_runner.h"

namespace handoff::supervisor {

void ServiceRunner::apply(const Spawn& asked) {
  if (asked.vault_of == 0) answers_.starts(asked, releases_.of(asked));
  ++waiting_;
  if (!asked.ends_children) return take_turn(asked);
  children_.end_before(asked.generation, [this, asked] { take_turn(asked); });
}

void ServiceRunner::take_turn(const Spawn& asked) {
  host_.starts->wait([this, asked, here = std::weak_ptr<bool>(here_)](StartQueue::Place place) {
    if (!here.expired()) look_up_owners(asked, std::move(place));
  });
}

// Of listeners that this start may bind, where nobody knew them when the configuration was read.
// They are there by now, maybe.
void ServiceRunner::look_up_owners(const Spawn& asked, StartQueue::Place place) {
  const auto listeners = std::make_shared<std::vector<NamedAddress>>();
  if (!asked.goes_back && asked.vault_of == 0)
    *listeners = listeners_.of_unknown_owners(asked.heir || asked.candidate);
  const auto look = [listeners] {
    for (NamedAddress& one : *listeners) look_up(one);
  };
  const auto then = [this, asked, listeners, place, here = std::weak_ptr<bool>(here_)] {
    if (here.expired()) return;
    --waiting_;
    listeners_.know(*listeners);
    in_turn(asked, place);
  };
  if (listeners->empty() || !on_a_thread(host_.loop, look, then)) then();
}

void ServiceRunner::in_turn(const Spawn& asked, StartQueue::Place place) {
  if (processes_.find(asked.generation) != nullptr) return;  // an orphan of that number
  const auto wanted = [this, generation = asked.generation] { return machine_.awaits(generation); };
  if (!wanted()) return feed(SpawnFailed{asked.generation, "not wanted"});
  if (asked.vault_of != 0) {
    auto reader = vault_reader();
    if (!reader) return feed(SpawnFailed{asked.generation, reader.error().message});
    (*reader)->claims = releases_.running().claims;  // it speaks for that release
    return spawn(asked, std::move(*reader), std::move(place));
  }
  if (releases_.ready(asked)) return spawn(asked, releases_.of(asked), std::move(place));
  releases_.open_to_spawn(asked, wanted, [this, asked, place](std::optional<SpawnFailed> failed) {
    if (processes_.find(asked.generation) != nullptr) return;  // an orphan of that number
    if (failed) return feed(*failed);
    answers_.starts(asked, releases_.of(asked));
    spawn(asked, releases_.of(asked), place);
    host_.changed();
  });
}

// Should the donor die before it has said anything: how many it takes along.
void ServiceRunner::count_donors_sessions() {
  (void)count_sessions([this, donor = machine_.current()](std::uint64_t sessions) {
    feed(Counted{donor, sessions});
  });
}

void ServiceRunner::spawn(const Spawn& spawn, ReleasePtr release, StartQueue::Place place) {
  if (spawn.heir) count_donors_sessions();
  const auto started = processes_.start(spawn, std::move(release), std::move(place));
  answers_.started(spawn);
  if (!started) not_started(spawn.generation, started.error());
}

void ServiceRunner::not_started(Generation generation, const Error& error) {
  const std::string helps = remedy_for_shortage(error.code);
  if (helps.empty()) return feed(SpawnFailed{generation, error.message});
  feed(SpawnFailed{generation, error.message + "; " + helps, "resources"});
}

}  // namespace handoff::supervisor
