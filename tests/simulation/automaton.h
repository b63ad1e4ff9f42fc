// A machine of the core as a table that fills itself. Every state that was ever reached has a
// number, and the table remembers what the machine did in a state at an event, so the machine
// itself runs once for each pair. A world holds numbers, so that millions of worlds fit into
// memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace handoff::simulation {

using Id = std::uint16_t;

template <class Machine, class Output>
class Automaton {
 public:
  struct Reaction {
    Id next = 0;
    std::vector<Output> outputs;
  };
  // same: whether no future event can tell the two machines apart. bucket: a hash that is equal for
  // such machines.
  using Same = bool (*)(const Machine&, const Machine&);
  using Bucket = std::size_t (*)(const Machine&);

  // initial gets the number 0.
  Automaton(Machine initial, Same same, Bucket bucket) : same_(same), bucket_(bucket) {
    id_of(std::move(initial));
  }

  const Machine& operator[](Id id) const { return machines_[id]; }
  std::size_t states() const { return machines_.size(); }
  std::size_t reactions() const { return reactions_.size(); }

  // run(machine) makes the step and returns its outputs; event is the step's number.
  template <class Run>
  const Reaction& step(Id from, std::uint32_t event, Run run) {
    const std::uint64_t key = std::uint64_t{from} << 32 | event;
    const auto [it, fresh] = reactions_.try_emplace(key);
    if (fresh) {
      Machine machine = machines_[from];
      it->second.outputs = run(machine);
      it->second.next = id_of(std::move(machine));
    }
    return it->second;
  }

 private:
  Id id_of(Machine machine) {
    std::vector<Id>& alike = by_bucket_[bucket_(machine)];
    for (const Id id : alike) {
      if (same_(machines_[id], machine)) return id;
    }
    const auto id = static_cast<Id>(machines_.size());
    alike.push_back(id);
    machines_.push_back(std::move(machine));
    return id;
  }

  Same same_;
  Bucket bucket_;
  std::deque<Machine> machines_;
  std::unordered_map<std::size_t, std::vector<Id>> by_bucket_;
  std::unordered_map<std::uint64_t, Reaction> reactions_;
};

}  // namespace handoff::simulation
