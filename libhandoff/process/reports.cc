#include "libhandoff/process/reports.h"

#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace handoff::io {

using protocol::Type;

std::vector<protocol::GivenBack> Reports::given_back() const {
  std::vector<protocol::GivenBack> out;
  for (const auto& [name, drop] : registry_.given_back()) out.push_back({name, drop});
  return out;
}

void Reports::registered(core::Manifest manifest, bool rehearsal,
                         std::optional<protocol::Vault> vault) {
  vault_ = std::move(vault);
  control_.send(Type::kRegister, encode(protocol::Register{.protocol_min = protocol::kVersionMin,
                                                           .protocol_max = protocol::kVersionMax,
                                                           .generation = registry_.generation,
                                                           .manifest = std::move(manifest),
                                                           .rehearsal = rehearsal,
                                                           .given_back = given_back(),
                                                           .vault = vault_}));
  control_.listen();
}

void Reports::owner(protocol::Owner owner) {
  if (!control_.opened()) return;
  owner_ = std::move(owner);
  // An heir that came back in mid-handoff may have been given a listener by the supervisor before.
  send_owner(came_back_);
  if (health_) control_.send(Type::kHealth, encode(*health_));
  control_.listen();
}

void Reports::health(protocol::Health health, bool tell) {
  health_ = std::move(health);
  if (!tell) return;
  control_.send(Type::kHealth, encode(*health_));
  control_.listen();
}

void Reports::status(const protocol::Status& status) {
  control_.send(Type::kStatus, encode(status));
}

void Reports::leaving(protocol::Status said) {
  leaving_ = std::move(said);
  status(*leaving_);
  control_.listen();
}

void Reports::progress(const protocol::Progress& progress) {
  control_.send_if_idle(Type::kProgress, encode(progress));
}

void Reports::rehearsed(const protocol::Rehearsed& rehearsed) {
  std::string body = encode(rehearsed);
  if (body.size() > protocol::kMaxBody) {  // each manifest fits a frame; two may not
    protocol::Rehearsed shorter = rehearsed;
    shorter.from.reset();
    shorter.to.reset();
    body = encode(shorter);
  }
  control_.send(Type::kRehearsed, std::move(body));
}

void Reports::failed(const protocol::Failed& failed) {
  send_outcome(Type::kFailed, encode(failed));
}

void Reports::retired(const protocol::Retired& retired) {
  send_outcome(Type::kRetired, encode(retired));
}

void Reports::late(const protocol::Late& late) { send_outcome(Type::kLate, encode(late)); }

void Reports::send_outcome(Type type, std::string body) {
  if (!control_.opened()) return;
  control_.send(type, body);
  outcome_.emplace(type, std::move(body));
}

// with_fds: to a supervisor that does not hold the listeners yet.
void Reports::send_owner(bool with_fds) {
  owner_.named.clear();
  owner_.with_fds = with_fds;
  if (auto manifest = registry_.manifest(true)) owner_.named = std::move(manifest->named);
  std::vector<UniqueFd> fds;
  if (with_fds && !copy_listeners(fds)) {
    owner_.with_fds = false;
    fds.clear();
  }
  // A frame carries so many, and the first one names all.
  std::vector<protocol::Owner> further;
  std::size_t next = 0;
  for (protocol::Named& named : owner_.named) {
    if (fds.empty() || named.address.empty()) continue;
    const auto index = static_cast<std::uint32_t>(next % protocol::kMaxFds);
    if (next++ < protocol::kMaxFds) {
      named.fd_index = index;
      continue;
    }
    named.fd_index = protocol::kMaxFds;  // not in this frame
    if (index == 0) {
      further.push_back({.generation = owner_.generation, .with_fds = true, .more = true});
    }
    further.back().named.push_back(named);
    further.back().named.back().fd_index = index;
  }
  auto from = fds.begin();
  const auto send = [&](const protocol::Owner& owner) {
    const auto left = static_cast<std::size_t>(fds.end() - from);
    const auto to = from + static_cast<std::ptrdiff_t>(std::min(left, protocol::kMaxFds));
    control_.send(Type::kOwner, encode(owner),
                  {std::make_move_iterator(from), std::make_move_iterator(to)});
    from = to;
  };
  send(owner_);
  for (const protocol::Owner& owner : further) send(owner);
}

// In the order of owner_.named. False: there are not enough fds for all.
bool Reports::copy_listeners(std::vector<UniqueFd>& out) const {
  for (const protocol::Named& named : owner_.named) {
    if (named.address.empty()) continue;
    out.emplace_back(::fcntl(registry_.named.at(named.name).fd.get(), F_DUPFD_CLOEXEC, 0));
    if (out.back().valid()) continue;
    registry_.log(HANDOFF_LOG_ERROR,
                  "listener '" + named.name + "' can't be shown to the supervisor: out of fds");
    return false;
  }
  return true;
}

void Reports::reconnect(const Standing& standing) {
  auto socket = control_.attempt();
  if (!socket) return;
  auto manifest = registry_.manifest(false);
  if (!manifest) {
    registry_.log(HANDOFF_LOG_ERROR, manifest.error().message);
    control_.put_off();
    return;
  }
  control_.connect(std::move(*socket));
  came_back_ = true;
  control_.send(Type::kRegister,
                encode(protocol::Register{.protocol_min = protocol::kVersionMin,
                                          .protocol_max = protocol::kVersionMax,
                                          .generation = registry_.generation,
                                          .manifest = std::move(*manifest),
                                          .returning = true,
                                          .state = static_cast<std::uint32_t>(standing.state),
                                          .handoff_id = standing.handoff_id,
                                          .given_back = given_back(),
                                          .vault = vault_}));
  if (outcome_) control_.send(outcome_->first, outcome_->second);
  if (standing.owner) {
    if (donor_speaks_) {
      owner_.kept = 0;
      owner_.kept_ids.clear();
    }
    send_owner(true);
    if (health_) control_.send(Type::kHealth, encode(*health_));
    if (leaving_) status(*leaving_);
  }
  control_.listen();
}

}  // namespace handoff::io
