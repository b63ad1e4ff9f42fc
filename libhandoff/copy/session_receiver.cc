#include "libhandoff/copy/session_receiver.h"

#include <algorithm>

#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {
namespace {

// Room that a donor's word alone is enough for.
constexpr std::uint64_t kExpected = 65536;

Failure malformed(std::string text) { return fail(HANDOFF_ERR_PROTOCOL, std::move(text)); }

}  // namespace

Result<void> SessionReceiver::apply(std::string_view body, std::vector<UniqueFd>& fds,
                                    RingReceiver& ring) {
  auto message = protocol::decode<protocol::Sessions>(body);
  const auto in_ring = message ? message->in_ring : std::nullopt;
  if (in_ring) {
    const auto lies = ring.take("Sessions", *in_ring);
    if (!lies) return Failure(lies.error());
    if (!message->sessions.empty() || !message->closed.empty() || message->unseen) {
      return malformed("Sessions: some in the ring and some not");
    }
    message = protocol::decode<protocol::Sessions>(*lies);
    if (message && message->in_ring) return malformed("Sessions: in the ring, and yet not there");
  }
  if (!message) return Failure(message.error());
  std::size_t next_fd = 0;
  for (const protocol::Session& record : message->sessions) {
    const auto ok = stage(record, message->unseen, fds, next_fd);
    if (!ok) return ok;
  }
  if (next_fd != fds.size()) {
    return malformed("Sessions: " + std::to_string(fds.size()) + " fds, of which " +
                     std::to_string(next_fd) + " belong to a session");
  }
  for (const std::uint64_t id : message->closed) {
    const auto it = arrived_.find(id);
    if (it == arrived_.end()) {
      return malformed("Sessions: closes " + std::to_string(id) + ", which was never opened");
    }
    lose(it);
  }
  return {};
}

void SessionReceiver::expect(std::uint64_t sessions) {
  arrived_.reserve(std::min<std::uint64_t>(sessions, kExpected));
}

Result<void> SessionReceiver::stage(const protocol::Session& record, bool unseen,
                                    std::vector<UniqueFd>& fds, std::size_t& next_fd) {
  try {
    return stage_one(record, unseen, fds, next_fd);
  } catch (...) {
    // Out of memory: one whose fd is nobody's is not here. Its number may soon be another's.
    const auto it = arrived_.find(record.id);
    if (record.has_fd && it != arrived_.end() && !it->second.given &&
        !waiting_.contains(record.id)) {
      arrived_.remove(it);
    }
    throw;
  }
}

Result<void> SessionReceiver::stage_one(const protocol::Session& record, bool unseen,
                                        std::vector<UniqueFd>& fds, std::size_t& next_fd) {
  const auto who = [&] { return "session " + std::to_string(record.id); };
  if (record.kind >= kinds_.size() || kinds_[record.kind].section || kinds_[record.kind].region ||
      kinds_[record.kind].version == 0) {
    return malformed(who() + " is of an unknown kind");
  }
  auto found = arrived_.find(record.id);
  if (record.has_fd == (found != arrived_.end())) {
    return malformed(who() + (record.has_fd ? " came twice" : " changed before it came"));
  }
  UniqueFd fd;
  if (record.has_fd) {
    if (next_fd >= fds.size()) return malformed(who() + " came without its fd");
    const bool at_an_end = next_fd == 0 || next_fd + 1 == fds.size();
    fd = std::move(fds[next_fd++]);
    // If the donor has looked at each of them, what could go wrong since is that fds and records do
    // not belong together, and then the ends do not, either.
    if (unseen || at_an_end) {
      const auto identity = identity_of(fd.get());
      if (!identity) return Failure(identity.error());
      if (identity->inode != record.inode) {
        return fail(HANDOFF_ERR_IDENTITY, who() +
                                              " is not the socket announced; has the donor closed "
                                              "it without handoff_session_closed()?");
      }
    }
  }
  const DonorKind& kind = kinds_[record.kind];
  SessionEntry& entry = record.has_fd
                            ? arrived_.add(record.id, {.inode = record.inode,
                                                       .fd = fd.get(),
                                                       .kind = kind.ours,
                                                       .nonblocking = is_nonblocking(fd.get())})
                            : found->second;
  entry.kind = kind.ours;
  entry.independent = (record.flags & protocol::kSessionIndependent) != 0;
  entry.counted = record.counters.has_value();
  if (record.counters) entry.counters = *record.counters;
  if (record.process) {
    registry_.processes.set(record.id, *record.process);
  } else {
    registry_.processes.forget(record.id);
  }
  Mapping blob;
  const auto newest = read_state(record, fds, next_fd, blob);
  if (!newest) {
    if (fd.valid()) keep(record.id, std::move(fd), {});
    return Failure(newest.error());
  }
  if (rehearsal_ != nullptr) {
    weighed_[record.id] = {
        .donors_kind = record.kind,
        .bytes = newest->state.size() + newest->input.size() + newest->output.size()};
  }
  // Armed early, if the service can also take a newer state later.
  if (registry_.callbacks.update == nullptr) {
    keep(record.id, std::move(fd), *newest);
    return {};
  }
  const std::uint64_t begun = rehearsal_ != nullptr ? now_ns() : 0;
  auto ok = restore(record.id, entry, std::move(fd), *newest);
  if (rehearsal_ == nullptr) return ok;
  rehearsal_->notes.spent_ns += now_ns() - begun;
  return rehearse(record.id, entry, std::move(ok));
}

Result<SessionReceiver::Newest> SessionReceiver::read_state(const protocol::Session& record,
                                                            std::vector<UniqueFd>& fds,
                                                            std::size_t& next_fd,
                                                            Mapping& mapping) const {
  Newest newest{.version = kinds_[record.kind].version,
                .layer_flags = record.layer_flags,
                .state = record.state,
                .input = record.input,
                .output = record.output};
  if (!record.blob) return newest;
  if (next_fd >= fds.size()) {
    return malformed("session " + std::to_string(record.id) + " came without its memfd");
  }
  const UniqueFd fd = std::move(fds[next_fd++]);
  const protocol::Blob& blob = *record.blob;
  const std::uint64_t size = blob.state_length + blob.input_length + blob.output_length;
  auto mapped = map_blob(fd.get(), size);
  if (!mapped) return Failure(mapped.error());
  mapping = std::move(*mapped);
  const std::string_view all(mapping.data(), size);
  newest.state = all.substr(0, blob.state_length);
  newest.input = all.substr(blob.state_length, blob.input_length);
  newest.output = all.substr(blob.state_length + blob.input_length);
  if (checksum(newest.state, newest.input, newest.output) != blob.checksum) {
    return malformed("session " + std::to_string(record.id) + ": wrong checksum of its state");
  }
  return newest;
}

void SessionReceiver::keep(std::uint64_t id, UniqueFd fd, const Newest& newest) {
  Waiting& waiting = waiting_[id];
  if (fd.valid()) waiting.fd = std::move(fd);
  waiting.version = newest.version;
  waiting.layer_flags = newest.layer_flags;
  waiting.state = newest.state;
  waiting.input = newest.input;
  waiting.output = newest.output;
}

Result<void> SessionReceiver::restore(std::uint64_t id, SessionEntry& entry, UniqueFd fd,
                                      const Newest& newest) {
  const SessionKind& kind = registry_.format_of(entry.kind);
  std::string converted;
  std::string_view state = newest.state;
  if (newest.version != kind.version) {
    converted = state;
    const auto ok = registry_.convert(kind, newest.version, kind.version, converted);
    if (!ok) {
      if (fd.valid()) keep(id, std::move(fd), {});  // the service has not had it
      return ok;
    }
    state = converted;
  }
  const bool first = fd.valid();
  handoff_adopted adopted{};
  adopted.size = sizeof adopted;
  adopted.id = id;
  adopted.kind = registry_.kinds[entry.kind].name.c_str();
  // The service takes it in the callback; whether it came to that before a failure, only it knows.
  adopted.fd = fd.release();
  adopted.state = state.data();
  adopted.state_length = state.size();
  adopted.input = newest.input.data();
  adopted.input_length = newest.input.size();
  adopted.output = newest.output.data();
  adopted.output_length = newest.output.size();
  adopted.flags = newest.layer_flags;
  const auto callback = first ? registry_.callbacks.restore : registry_.callbacks.update;
  entry.given = true;
  registry_.arriving = &arrived_;
  const auto result = registry_.call(
      [&] {
        return std::string(first ? "restore" : "update") + "() of " +
               registry_.describe(id, entry.kind);
      },
      [&] { return callback == nullptr ? -ENOSYS : callback(registry_.callbacks_user, &adopted); });
  registry_.arriving = nullptr;
  heap_.populate();
  if (result) return {};
  if (first) failed_.insert(id);
  return Failure(result.error());
}

Result<void> SessionReceiver::restore_waiting(std::uint64_t id, SessionEntry& entry) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end()) return {};
  Waiting waiting = std::move(it->second);
  waiting_.erase(it);
  return restore(id, entry, std::move(waiting.fd),
                 {.version = waiting.version,
                  .layer_flags = waiting.layer_flags,
                  .state = waiting.state,
                  .input = waiting.input,
                  .output = waiting.output});
}

Result<void> SessionReceiver::rehearse(std::uint64_t id, const SessionEntry& entry,
                                       Result<void> restored) {
  if (restored) return restored;
  weighed_[id].refused = true;
  const std::string what = "session kind '" + registry_.kinds[entry.kind].name + "'";
  return rehearsal_->refuse_session(id, what, restored.error()) ? Result<void>{} : restored;
}

Result<void> SessionReceiver::restore() {
  std::vector<std::uint64_t> ids;  // to restore one takes it out of waiting_
  ids.reserve(waiting_.size());
  for (const auto& [id, waiting] : waiting_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    if (rehearsal_ != nullptr && weighed_.at(id).refused) continue;
    SessionEntry& entry = arrived_.at(id);
    const std::uint64_t begun = rehearsal_ != nullptr ? now_ns() : 0;
    auto ok = restore_waiting(id, entry);
    if (rehearsal_ != nullptr) {
      rehearsal_->notes.spent_ns += now_ns() - begun;
      ok = rehearse(id, entry, std::move(ok));
    }
    if (!ok) return ok;
  }
  return {};
}

void SessionReceiver::restore_what_can_be() {
  for (auto it = arrived_.begin(); it != arrived_.end();) {
    const auto ok = restore_waiting(it->first, it->second);
    if (ok) {
      ++it;
      continue;
    }
    registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    reset_connection(it->second.fd);
    it = lose(it);
    ++lost_;
  }
}

std::vector<std::uint64_t> SessionReceiver::ids() const {
  std::vector<std::uint64_t> out;
  out.reserve(arrived_.size());
  for (const auto& [id, entry] : arrived_) out.push_back(id);
  return out;
}

void SessionReceiver::count() {
  protocol::Rehearsed& notes = rehearsal_->notes;
  notes.amounts.clear();
  for (const DonorKind& kind : kinds_) {
    if (kind.region) {
      notes.amounts.push_back({registry_.regions[kind.ours].name(), false, 1, 0, true});
      continue;
    }
    const std::string& name =
        kind.section ? registry_.sections[kind.ours].name : registry_.kinds[kind.ours].name;
    notes.amounts.push_back({name, kind.section, 0, 0});
  }
  notes.sessions = arrived_.size();
  notes.refused = 0;
  notes.passed = 0;
  for (const auto& [id, weighed] : weighed_) {
    protocol::Amount& amount = notes.amounts[weighed.donors_kind];
    ++amount.count;
    amount.bytes += weighed.bytes;
    if (weighed.refused) ++notes.refused;
    if (!weighed.refused && arrived_.at(id).given) ++notes.passed;
  }
}

bool SessionReceiver::unmoved(const SessionEntry& entry) const {
  if (!entry.independent || !entry.counted) return false;
  const auto now = counters_of(entry.fd);
  return now && *now == entry.counters;
}

void SessionReceiver::keep_unmoved() {
  const std::uint64_t had = arrived_.size();
  for (auto it = arrived_.begin(); it != arrived_.end();) {
    auto& [id, entry] = *it;
    if (unmoved(entry)) {
      const auto ok = restore_waiting(id, entry);
      if (ok) {
        ++it;
        continue;
      }
      registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
    }
    // Its state is not that of its stream: a reset is honest, an answer would not be.
    reset_connection(entry.fd);
    if (lost_ids_.size() < kNamedLost) lost_ids_.push_back(id);
    it = lose(it);
  }
  lost_ = had - arrived_.size();
}

void SessionReceiver::adopt() {
  if (registry_.observer != nullptr) {  // a handoff is under way, and hears of them
    const std::vector<std::uint64_t> fresh = ids();
    registry_.sessions.take(arrived_);
    for (const std::uint64_t id : fresh) {
      registry_.observer->session_changed(id, registry_.sessions.at(id));
    }
  } else {
    registry_.sessions.take(arrived_);
  }
}

Sessions::iterator SessionReceiver::lose(Sessions::iterator it) {
  drop(it->first, it->second);
  return arrived_.remove(it);
}

void SessionReceiver::drop(std::uint64_t id, const SessionEntry& entry) {
  if (entry.given && registry_.callbacks.drop != nullptr) {
    registry_.tell([&] { return "drop() of " + registry_.describe(id, entry.kind); },
                   [&] { registry_.callbacks.drop(registry_.callbacks_user, id); });
  }
  // What restore() did not take before it failed, drop() did not close: in a process that goes on
  // it would stay open.
  if (failed_.erase(id) > 0) {
    const auto identity = identity_of(entry.fd);
    if (identity && identity->inode == entry.inode) UniqueFd(entry.fd).reset();
  }
  waiting_.erase(id);
  weighed_.erase(id);
}

void SessionReceiver::drop() {
  for (const auto& [id, entry] : arrived_) drop(id, entry);
  arrived_.clear();
}

}  // namespace handoff::io
