#include "supervisor/listeners/listeners.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libhandoff/sys/socket.h"
#include "supervisor/listeners/socket_file.h"
#include "supervisor/processes/census.h"

namespace handoff::supervisor {
namespace {

// What was bound as the one is what the other wants, but for what can be set later.
bool is_same_socket(const NamedAddress& one, const NamedAddress& other) {
  return one.name == other.name && one.address == other.address &&
         as_bound(one.options, other.options) == other.options;
}

bool contains(const std::vector<std::string>& in, const std::string& name) {
  return std::ranges::find(in, name) != in.end();
}

}  // namespace

Listeners::Listeners(std::string service, std::vector<NamedAddress> wanted, Notify& notify,
                     std::string report_path)
    : service_(std::move(service)), notify_(&notify), report_path_(std::move(report_path)) {
  want(std::move(wanted));
}

Listeners::Place* Listeners::find(std::vector<Place>& places, const std::string& name) {
  for (Place& place : places) {
    if (place.wanted.name == name) return &place;
  }
  return nullptr;
}

void Listeners::keep(Place& place, Listener listener) {
  notify_->store(service_ + "/" + listener.name(), listener.fd());
  place.have.emplace(std::move(listener));
  place.for_heir = false;
}

void Listeners::drop(std::optional<Listener>& listener) {
  notify_->remove(service_ + "/" + listener->name());
  listener.reset();
}

// One whose options can't be set is as good as one with others.
Result<void> Listeners::set(Listener& listener, const ListenerOptions& options) {
  auto done = listener.set(options);
  if (done) return done;
  const bool forbidden = done.error().code == -EPERM || done.error().code == -EACCES;
  done = fail(done.error().code,
              done.error().message +
                  (forbidden ? "; run the supervisor with CAP_CHOWN and CAP_FOWNER, or set it by "
                               "hand, and handoff reload"
                             : "; mend that, and handoff reload"));
  return done;
}

// In the runtime folder: of nobody else, and on the file system of most such sockets.
std::string Listeners::spare_of(const std::string& name) const {
  const std::size_t end = report_path_.rfind('/');
  if (end == std::string::npos) return "";
  return report_path_.substr(0, end) + "/listeners/" + service_ + ":" + name;
}

std::vector<Listeners::Mended> Listeners::mend_paths() {
  std::vector<Mended> out;
  const auto mend = [&out](std::optional<Listener>& listener) {
    if (!listener) return;
    const std::string problem = listener->path().problem();
    const auto mended = listener->path().mend();
    if (!mended) {
      out.push_back({listener->name(), false, mended.error().message});
    } else if (*mended) {
      out.push_back({listener->name(), true,
                     problem.substr(0, problem.find(" (")) +
                         "; it is there again, and it is the same socket"});
    }
  };
  for (Place& place : places_) {
    mend(place.have);
    mend(place.next);
  }
  return out;
}

std::vector<Listeners::Mended> Listeners::want(std::vector<NamedAddress> wanted, bool in_use) {
  std::vector<Mended> out;
  std::vector<Place> places;
  places.reserve(wanted.size());
  for (NamedAddress& one : wanted) {
    const bool is_new = find(places_, one.name) == nullptr;
    places.push_back({.wanted = std::move(one), .added = in_use && is_new});
  }
  for (Place& place : places_) {
    Place* const still = find(places, place.wanted.name);
    if (still != nullptr && (in_use || is_same_socket(place.wanted, still->wanted))) {
      // A socket at the address before is none that options of the new one are for.
      const bool is_there = place.have && place.have->asked() == still->wanted.address;
      if (is_there && !place.have->is_set(still->wanted.options)) {
        const auto done = set(*place.have, still->wanted.options);
        if (!done) out.push_back({place.wanted.name, false, done.error().message});
      }
      if (!in_use && place.have && !is_there) drop(place.have);
      if (place.have) still->have.emplace(std::move(*place.have));
      if (place.next && in_use) still->next.emplace(std::move(*place.next));
      still->for_heir = place.for_heir;
      still->back = place.back;
      still->told = place.told;
      still->taken_up = place.taken_up;
      still->added = in_use && place.added;
    } else {
      if (place.have) drop(place.have);
      place.next.reset();
    }
  }
  places_ = std::move(places);
  return out;
}

void Listeners::take_kept(KeptFds& kept) {
  for (Place& place : places_) {
    const std::string name = service_ + "/" + place.wanted.name;
    UniqueFd before = kept.take(name + kBefore);
    UniqueFd fd = kept.take(name);
    if (place.have) continue;
    if (fd.valid()) take_kept(place, std::move(fd));
    if (before.valid()) take_from_before(place, std::move(before));
  }
}

// One at another address than the configuration has is taken: connections wait in it.
void Listeners::take_kept(Place& place, UniqueFd fd) {
  auto listener = adopt(place.wanted, std::move(fd), spare_of(place.wanted.name));
  if (!listener) {
    spdlog::warn("{}: the listener {} that was kept is not used: {}", service_, place.wanted.name,
                 listener.error().message);
    notify_->remove(service_ + "/" + place.wanted.name);
    return;
  }
  spdlog::info("{}: listener {} was kept", service_, place.wanted.name);
  place.have.emplace(std::move(*listener));
}

// A move was under way: fd is at the address from which it went.
void Listeners::take_from_before(Place& place, UniqueFd fd) {
  const auto there = handoff::io::bound_address(fd.get());
  auto address = core::parse_address(there.value_or(""));
  if (!address) return;
  NamedAddress named = place.wanted;
  named.address = std::move(*address);
  auto listener = Listener::adopt(named, std::move(fd), spare_of(named.name));
  if (!listener) return;
  if (place.have) place.next.emplace(std::move(*place.have));
  place.have.reset();
  place.have.emplace(std::move(*listener));
}

std::map<std::string, int> Listeners::fds() const {
  std::map<std::string, int> out;
  for (const Place& place : places_) {
    if (!place.have) continue;
    out[place.wanted.name] = place.next ? place.next->fd() : place.have->fd();
    if (place.next) out[place.wanted.name + kBefore] = place.have->fd();
  }
  return out;
}

// Nobody reaches a socket without a name: what would wait in it waits already.
void Listeners::drop_lost() {
  for (Place& place : places_) {
    if (!place.have || !place.have->path().lost()) continue;
    spdlog::warn("{}: listener {}: {}", service_, place.wanted.name, place.have->path().problem());
    drop(place.have);
  }
}

void Listeners::close(const std::string& name) {
  for (Place& place : places_) {
    if (place.wanted.name != name) continue;
    if (place.have) drop(place.have);
    place.next.reset();
  }
}

Result<Listener> Listeners::open(const NamedAddress& wanted, const std::string& spare) {
  auto listener = Listener::open(wanted, spare);
  if (listener || listener.error().code != -EADDRINUSE) return listener;
  const std::string orphan = orphan_at(wanted.address, report_path_);
  if (orphan.empty()) return listener;
  return fail(listener.error().code,
              listener.error().message + ": " + orphan +
                  " of the supervisor before this one has it, and is in the way");
}

std::vector<NamedAddress> Listeners::of_unknown_owners(bool all) const {
  std::vector<NamedAddress> out;
  for (const Place& place : places_) {
    const bool is_there = place.have && place.have->is_at(place.wanted.address);
    if (is_there || (place.added && !all)) continue;
    if (!owner_of(place.wanted.options)) out.push_back(place.wanted);
  }
  return out;
}

void Listeners::know(const std::vector<NamedAddress>& looked_up) {
  for (const NamedAddress& one : looked_up) {
    for (Place& place : places_) {
      if (place.wanted == one) place.wanted.options.known = one.options.known;
    }
  }
}

Result<void> Listeners::bind_missing(const std::vector<std::string>& left_out, const Claims& claims,
                                     bool ran) {
  (void)mend_paths();
  drop_lost();
  for (Place& place : places_) {
    if (place.next) replace(place.next);
    place.back = place.told = false;
    if (place.have || contains(left_out, place.wanted.name)) continue;
    auto listener = open(place.wanted, spare_of(place.wanted.name));
    const bool needed = supervisor::claims(claims, place.wanted.name) && !(ran && place.added);
    if (!listener && needed) return Failure(listener.error());
    if (!listener) {
      spdlog::warn(
          "{}: {}; the release that is started never had it, so the next upgrade is to "
          "bind it",
          service_, listener.error().message);
      continue;
    }
    keep(place, std::move(*listener));
  }
  return {};
}

// One at another address than the configuration has is to move at the next upgrade.
Result<Listener> Listeners::adopt(const NamedAddress& wanted, UniqueFd fd,
                                  const std::string& spare) {
  NamedAddress there = wanted;
  if (!handoff::io::listens_at(fd.get(), there.address)) {
    if (auto address = core::parse_address(handoff::io::bound_address(fd.get()).value_or(""))) {
      there.address = std::move(*address);
      there.options = {};
    }
  }
  auto listener = Listener::adopt(there, std::move(fd), spare);
  if (!listener || there != wanted) return listener;
  if (const auto done = set(*listener, wanted.options); !done) {
    spdlog::error("{}: {}", service_, done.error().message);
  }
  return listener;
}

void Listeners::take_shown(std::vector<NamedFd>& shown) {
  for (NamedFd& named : shown) {
    UniqueFd fd = std::move(named.fd);
    if (!fd.valid()) continue;
    Place* const place = find(places_, named.name);
    if (place == nullptr || place->next) continue;
    const auto identity = handoff::io::identity_of(fd.get());
    if (!identity || *identity != handoff::io::Identity{named.inode, named.device}) {
      spdlog::error("{}: the listener {} that is shown is not the one announced", service_,
                    named.name);
      continue;
    }
    const bool moved = place->have && place->have->inode() != named.inode &&
                       !place->have->is_at(place->wanted.address) &&
                       handoff::io::listens_at(fd.get(), place->wanted.address);
    if (place->have && !moved) continue;
    auto listener = adopt(place->wanted, std::move(fd), spare_of(named.name));
    if (!listener) {
      spdlog::error("{}: the listener {} that is shown is not taken: {}", service_, named.name,
                    listener.error().message);
    } else if (moved) {
      place->next.emplace(std::move(*listener));
    } else {
      keep(*place, std::move(*listener));
    }
  }
}

std::vector<std::string> Listeners::wanted_names() const {
  std::vector<std::string> out;
  out.reserve(places_.size());
  for (const Place& place : places_) out.push_back(place.wanted.name);
  return out;
}

std::vector<std::string> Listeners::names() const {
  std::vector<std::string> out;
  for (const Listener* listener : here()) out.push_back(listener->name());
  return out;
}

bool Listeners::has(const std::string& name) const {
  for (const Place& place : places_) {
    if (place.have && place.wanted.name == name) return true;
  }
  return false;
}

nlohmann::json Listeners::json(const std::vector<NamedFd>& owner) const {
  nlohmann::json out = nlohmann::json::array();
  for (const Listener* listener : here(owner)) {
    out.push_back(
        {{"name", listener->name()}, {"address", listener->address()}, {"problem", nullptr}});
    const std::string problem = listener->path().problem();
    if (!problem.empty()) out.back()["problem"] = problem;
    if (const Listener* also = other(listener->name(), owner)) {
      out.back()["also"] = also->address();
    }
  }
  return out;
}

}  // namespace handoff::supervisor
