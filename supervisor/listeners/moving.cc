// The part of Listeners that is about upgrades: what is bound for an heir, and which of two sockets
// stays once a handoff is over.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <utility>

#include "libhandoff/sys/socket.h"
#include "supervisor/listeners/listener_ends.h"
#include "supervisor/listeners/listeners.h"
#include "supervisor/listeners/socket_file.h"

namespace handoff::supervisor {
namespace {

const NamedFd* named(const std::vector<NamedFd>& in, const std::string& name) {
  for (const NamedFd& one : in) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

bool is(const NamedFd* its, const std::optional<Listener>& listener) {
  return its != nullptr && listener && its->inode == listener->inode() &&
         its->device == listener->device();
}

bool is_at(const std::string& bound, const core::Address& said) {
  const auto address = core::parse_address(bound);
  return address && core::is_at(*address, said);
}

// Nobody else can be bound at that address.
bool takes(const std::string& bound, const NamedAddress& wanted) {
  const bool any_port =
      wanted.address.kind != core::Address::Kind::kUnix && wanted.address.port == 0;
  if (any_port || wanted.options.bind.reuseport) return false;
  return is_at(bound, wanted.address);
}

}  // namespace

// Of a listener that was renamed: the one before stays until the service is stopped.
std::string Listeners::in_the_way(const Place& place, const std::vector<NamedFd>& donor) const {
  for (const NamedFd& one : donor) {
    if (one.name != place.wanted.name && takes(one.address, place.wanted)) return one.name;
  }
  for (const Place& other : places_) {
    if (&other == &place) continue;
    for (const std::optional<Listener>* one : {&other.have, &other.next}) {
      if (*one && takes((*one)->address(), place.wanted)) return other.wanted.name;
    }
  }
  return "";
}

// One that has just been given up for a move that went back is taken up again: it is bound still.
Result<std::optional<Listener>> Listeners::open_for_heir(const Place& place, ListenerEnds* ends) {
  if (ends != nullptr && ends->has(place.wanted)) {
    if (auto again = ends->take_back(place.wanted)) return again;
  }
  auto listener = open(place.wanted, spare_of(place.wanted.name));
  if (!listener) return Failure(listener.error());
  return std::make_optional(std::move(*listener));
}

Result<std::optional<Listener>> Listeners::try_to_open(const Place& place, ListenerEnds* ends) {
  if (ends != nullptr && ends->has(place.wanted)) return std::nullopt;
  auto can = handoff::io::can_bind(place.wanted.address, place.wanted.options.bind);
  if (const auto owner = owner_of(place.wanted.options); can && !owner) {
    can = Failure(owner.error());
  }
  if (can) return std::nullopt;
  return fail(can.error().code, "listener " + place.wanted.name + ": " + can.error().message);
}

Result<void> Listeners::bind_for_heir(const std::vector<NamedFd>& donor, bool really,
                                      ListenerEnds* ends) {
  std::vector<Place*> fresh;
  Result<void> out;
  for (Place& place : places_) {
    const NamedFd* its = named(donor, place.wanted.name);
    // One that the donor has and this supervisor does not is the donor's to give.
    const bool is_new = !place.have && its == nullptr;
    // The donor may have moved under the supervisor before this one.
    const bool moves = place.have && !place.next && !place.have->is_at(place.wanted.address) &&
                       !(its != nullptr && is_at(its->address, place.wanted.address));
    if (!is_new && !moves) continue;
    if (const std::string other = is_new ? in_the_way(place, donor) : ""; !other.empty()) {
      spdlog::warn(
          "{}: listener {} is not bound: {} is at its address while the service runs "
          "(handoff stop {}, handoff reload, handoff restart {})",
          service_, place.wanted.name, other, service_, service_);
      continue;
    }
    const bool was_ending = ends != nullptr && ends->has(place.wanted);
    auto bound = really ? open_for_heir(place, ends) : try_to_open(place, ends);
    if (!bound) {
      out = Failure(bound.error());
      break;
    }
    if (!*bound) continue;  // it was only tried
    if (moves) {
      place.taken_up = was_ending;
      place.next.emplace(std::move(**bound));
    } else {
      keep(place, std::move(**bound));
      place.for_heir = true;
    }
    fresh.push_back(&place);
  }
  if (out) return out;
  for (Place* place : fresh) {
    if (place->for_heir) drop(place->have);
    place->for_heir = false;
    if (place->next && std::exchange(place->taken_up, false)) replace(place->next);
    place->next.reset();  // it was not there before
  }
  return out;
}

Listeners::ForHeir Listeners::for_heir(const std::vector<NamedFd>& donor, bool forward) const {
  ForHeir out;
  for (const Place& place : places_) {
    const NamedFd* has = named(donor, place.wanted.name);
    if (!place.have) {
      if (has == nullptr && in_the_way(place, donor).empty()) out.missing.push_back(place.wanted);
      continue;
    }
    const bool goes_on = forward && place.next;
    const std::optional<Listener>& its = goes_on ? place.next : place.have;
    if (has == nullptr) {
      out.kept.push_back(&*its);
    } else if (place.next && !is(has, its)) {
      out.moved.push_back(&*its);
    }
    if (place.next) out.before.push_back(goes_on ? &*place.have : &*place.next);
  }
  return out;
}

// Clients wait in its queue, whom the owner goes on to accept.
void Listeners::replace(std::optional<Listener>& listener) {
  replaced_.push_back(std::move(*listener));
  listener.reset();
}

void Listeners::heir_failed(const std::vector<NamedFd>& owner) {
  for (Place& place : places_) {
    const NamedFd* its = named(owner, place.wanted.name);
    if (std::exchange(place.for_heir, false) && its == nullptr && place.have) drop(place.have);
    if (!place.next || place.back || is(its, place.next)) continue;
    if (std::exchange(place.taken_up, false)) {
      replace(place.next);
      continue;
    }
    (void)::shutdown(place.next->fd(), SHUT_RDWR);  // nobody accepts on it
    place.next.reset();
  }
}

void Listeners::close_untaken(const std::vector<NamedFd>& owner) {
  for (Place& place : places_) {
    const NamedFd* its = named(owner, place.wanted.name);
    if (!place.for_heir || !place.have || its == nullptr || is(its, place.have)) continue;
    spdlog::warn("{}: listener {} at {} is closed: the release that runs has bound its own at {}",
                 service_, place.wanted.name, place.have->address(), its->address);
    place.for_heir = false;
    drop(place.have);
  }
}

std::vector<std::string> Listeners::new_names() const {
  std::vector<std::string> out;
  for (const Place& place : places_) {
    if (place.have && place.for_heir) out.push_back(place.wanted.name);
  }
  return out;
}

// Clients come to both, and neither could be ended without turning some away: both stay until an
// upgrade, which passes both.
bool Listeners::is_held(Place& place, const NamedFd* its, bool went_back) {
  const bool wants_have =
      place.have->is_at(place.wanted.address) && !place.next->is_at(place.wanted.address);
  if (place.back && wants_have) place.back = false;  // the configuration has changed again
  if (!is(its, place.next)) return place.back;
  if (went_back) {
    if (!std::exchange(place.told, true)) {
      spdlog::warn(
          "{}: the release that was gone back to serves listener {} at {}, since its "
          "libhandoff knows no moves; clients wait at {}, too, until an upgrade",
          service_, place.wanted.name, place.next->address(), place.have->address());
    }
    return true;
  }
  if (!wants_have) return false;
  spdlog::warn(
      "{}: listener {} has moved from {} to {}, and the configuration has it back by now: "
      "the next upgrade moves it, and both are served until then",
      service_, place.wanted.name, place.have->address(), place.next->address());
  turn_back(place);
  return true;
}

void Listeners::turn_back(Place& place) {
  Listener moved = std::move(*place.next);
  place.next.reset();
  place.next.emplace(std::move(*place.have));
  notify_->remove(service_ + "/" + place.wanted.name);
  keep(place, std::move(moved));
  place.back = true;
}

void Listeners::settle(const std::vector<NamedFd>& owner, bool went_back) {
  for (Place& place : places_) {
    place.for_heir = false;
    place.added = place.added && !place.have;
    const NamedFd* its = named(owner, place.wanted.name);
    if (!place.next || is_held(place, its, went_back)) continue;
    place.back = place.told = false;
    if (!is(its, place.next)) {
      spdlog::warn(
          "{}: listener {} stays at {}; the one at {} ends, which this release does not have",
          service_, place.wanted.name, place.have->address(), place.next->address());
      replace(place.next);
      continue;
    }
    spdlog::info("{}: listener {} has moved from {} to {}", service_, place.wanted.name,
                 place.have->address(), place.next->address());
    notify_->remove(service_ + "/" + place.wanted.name);
    replace(place.have);
    Listener next = std::move(*place.next);
    place.next.reset();
    keep(place, std::move(next));
  }
}

// A process that is known for the owner by the word of others has not said what it has. As long as
// that is so, a socket that it does not seem to have may be the one that it serves on.
void Listeners::follow(const OwnerSeen& owner, const UnclaimedPolicy& policy) {
  if (owner.named == nullptr) return;
  if (owner.was_donor) heir_failed(*owner.named);
  close_untaken(*owner.named);
  // What is closed is what the release does not claim, and nobody goes back to one that has it.
  const std::vector<std::string> closable = owner.permanent ? names() : new_names();
  if (owner.permanent) settle(*owner.named, owner.went_back);
  for (const std::string& listener : to_close(policy, closable, owner.claims, true, owner.drops)) {
    spdlog::info("{}: listener {} is closed: release {} does not claim it", service_, listener,
                 owner.release);
    close(listener);
  }
}

std::vector<Listener> Listeners::take_replaced() { return std::exchange(replaced_, {}); }

std::vector<const Listener*> Listeners::here(const std::vector<NamedFd>& owner) const {
  std::vector<const Listener*> out;
  for (const Place& place : places_) {
    if (!place.have) continue;
    const bool moved = is(named(owner, place.wanted.name), place.next);
    out.push_back(moved ? &*place.next : &*place.have);
  }
  return out;
}

std::vector<const Listener*> Listeners::before() const {
  std::vector<const Listener*> out;
  for (const Place& place : places_) {
    if (place.have && place.next && !place.back) out.push_back(&*place.have);
  }
  return out;
}

const Listener* Listeners::other(const std::string& name, const std::vector<NamedFd>& owner) const {
  for (const Place& place : places_) {
    if (place.wanted.name != name || !place.next) continue;
    return is(named(owner, name), place.next) ? &*place.have : &*place.next;
  }
  return nullptr;
}

}  // namespace handoff::supervisor
