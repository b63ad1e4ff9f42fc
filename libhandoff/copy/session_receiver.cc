#include "libhandoff/copy/session_receiver.h"

#include <algorithm>

#include "libhandoff/base/text.h"
#include "libhandoff/copy/vault_record.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/service/nonblocking.h"
#include "libhandoff/sys/process.h"
#include "libhandoff/sys/reason.h"
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
    took_secret_ = took_secret_ || !record.layer.empty();
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
    if ((record.has_fd || record.no_fd) && it != arrived_.end() && !it->second.given &&
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
  const bool first = found == arrived_.end();
  if (record.has_fd && (!first || record.no_fd)) return malformed(who() + " came twice");
  if (!record.has_fd && first && !record.no_fd) {
    return malformed(who() + " changed before it came");
  }
  if (!first && record.no_fd != found->second.no_fd) {
    return malformed(who() + " has a socket and has none");
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
  if (first) ++came_;
  SessionEntry& entry =
      first ? arrived_.add(record.id, {.inode = record.inode,
                                       .fd = fd.get(),
                                       .kind = kind.ours,
                                       .no_fd = record.no_fd,
                                       .nonblocking = fd.valid() && is_nonblocking(fd.get())})
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
  if (auto ok = stage_own_fds(record, entry.refused, fds, next_fd); !ok) {
    if (fd.valid()) keep(record.id, std::move(fd), {});
    return ok;
  }
  Mapping blob;
  auto newest = read_state(record, fds, next_fd, blob);
  if (newest && entry.refused) return {};  // the donor does not know it yet
  if (newest) {
    if (auto ok = measure(record.id, *newest); !ok) newest = Failure(ok.error());
  }
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
  const std::string peer = rehearsal_ != nullptr ? peer_of(entry) : std::string();
  auto ok = restore(record.id, entry, std::move(fd), *newest);
  if (rehearsal_ == nullptr) return refuse(record.id, entry, ok);
  spent(now_ns() - begun);
  return rehearse(record.id, entry, peer, std::move(ok));
}

Result<void> SessionReceiver::measure(std::uint64_t id, Newest& newest) {
  const bool whole = newest.is_whole();
  if (whole && newest.input.empty() && newest.output.empty()) {
    if (!lengths_.empty()) lengths_.erase(id);
    return {};
  }
  Lengths& here = lengths_[id];
  if (newest.input_dropped.value_or(0) > here.input ||
      newest.output_dropped.value_or(0) > here.output) {
    return malformed("session " + std::to_string(id) + " drops more than came of it");
  }
  if (!whole) {
    if (!newest.input_dropped) newest.input_dropped = here.input;
    if (!newest.output_dropped) newest.output_dropped = here.output;
  }
  here.input = (whole ? 0 : here.input - *newest.input_dropped) + newest.input.size();
  here.output = (whole ? 0 : here.output - *newest.output_dropped) + newest.output.size();
  return {};
}

// The service lets go of it, and the connection goes on in the donor.
Result<void> SessionReceiver::refuse(std::uint64_t id, SessionEntry& entry,
                                     const Result<void>& result) {
  if (result || !may_refuse_ || is_shortage(result.error().code) ||
      refused_in_all_ == protocol::kMaxRefused) {
    return result;
  }
  const bool told = refused_in_all_ < protocol::kMaxUnmovable;
  refusals_.push_back(
      {id, told ? printable(result.error().message, protocol::kMaxRefusal) : std::string()});
  ++refused_in_all_;
  ++refused_here_;
  registry_.log(HANDOFF_LOG_WARNING, result.error().message + "; this release goes on without it");
  keep_sockets(id, entry);
  drop(id, entry);
  arrived_.forget_fd(entry);
  arrived_.fds().forget(id);
  entry.given = entry.counted = false;
  entry.refused = true;
  return {};
}

Result<SessionReceiver::Newest> SessionReceiver::read_state(const protocol::Session& record,
                                                            std::vector<UniqueFd>& fds,
                                                            std::size_t& next_fd,
                                                            Mapping& mapping) const {
  Newest newest{.version = kinds_[record.kind].version,
                .layer_flags = record.layer_flags,
                .state = record.state,
                .input = record.input,
                .output = record.output,
                .layer = record.layer};
  if (record.input_tail) newest.input_dropped = record.input_tail->drop;
  if (record.output_tail) newest.output_dropped = record.output_tail->drop;
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
  waiting.layer.wipe();
  if (!newest.layer.empty()) waiting.layer.append(newest.layer);
  const auto go_on = [](std::string& has, std::optional<std::uint64_t> dropped,
                        std::string_view bytes) {
    if (!dropped) {
      has = bytes;
      return;
    }
    has.erase(0, *dropped);
    has.append(bytes);
  };
  go_on(waiting.input, newest.input_dropped, newest.input);
  go_on(waiting.output, newest.output_dropped, newest.output);
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
  const bool first = !entry.given;
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
  adopted.input_dropped = newest.input_dropped.value_or(0);
  adopted.output_dropped = newest.output_dropped.value_or(0);
  adopted.layer = newest.layer.data();
  adopted.layer_length = newest.layer.size();
  std::vector<const char*> names;
  for (const SessionFd& one : arrived_.fds().of(id)) names.push_back(one.name.c_str());
  adopted.fd_names = names.data();
  adopted.fd_count = names.size();
  const char* const name = first ? "restore" : newest.is_whole() ? "update" : "extend";
  const auto callback = first               ? registry_.callbacks.restore
                        : newest.is_whole() ? registry_.callbacks.update
                                            : registry_.callbacks.extend;
  entry.given = true;
  registry_.arriving = &arrived_;
  auto result = registry_.call(
      [&] { return std::string(name) + "() of " + registry_.describe(id, entry); },
      [&] { return callback == nullptr ? -ENOSYS : callback(registry_.callbacks_user, &adopted); });
  registry_.arriving = nullptr;
  heap_.populate();
  const SessionFd* const left = result ? arrived_.fds().untaken(id) : nullptr;
  if (left != nullptr) {
    result = fail(HANDOFF_ERR_REJECTED,
                  std::string(name) + "() of " + registry_.describe(id, entry) +
                      " did not take its fd '" + left->name +
                      "', which this release may not know of; handoff_take_fd() does");
  }
  if (result && *result == HANDOFF_LATER) ++pending_[id];
  if (result) {
    put_arrival(registry_, id, entry,
                {.state = state,
                 .input = newest.input,
                 .output = newest.output,
                 .input_dropped = newest.input_dropped,
                 .output_dropped = newest.output_dropped,
                 .flags = newest.layer_flags,
                 .has_layer = !newest.layer.empty(),
                 .has_fds = !arrived_.fds().of(id).empty()});
    return {};
  }
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
                  .output = waiting.output,
                  .layer = waiting.layer.view()});
}

void SessionReceiver::spent(std::uint64_t ns) {
  rehearsal_->notes.spent_ns += ns;
  rehearsal_->restoring.add(ns);
}

Result<void> SessionReceiver::rehearse(std::uint64_t id, const SessionEntry& entry,
                                       const std::string& peer, Result<void> restored) {
  if (restored) return restored;
  weighed_[id].refused = true;
  const std::string what = "session kind '" + registry_.kinds[entry.kind].name + "'";
  return rehearsal_->refuse_session(id, what, peer, restored.error()) ? Result<void>{} : restored;
}

Result<void> SessionReceiver::restore() {
  std::vector<std::uint64_t> ids;  // to restore one takes it out of waiting_
  ids.reserve(waiting_.size());
  for (const auto& [id, waiting] : waiting_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    if (rehearsal_ != nullptr && weighed_.at(id).refused) continue;
    SessionEntry& entry = arrived_.at(id);
    const std::uint64_t begun = rehearsal_ != nullptr ? now_ns() : 0;
    const std::string peer = rehearsal_ != nullptr ? peer_of(entry) : std::string();
    auto ok = restore_waiting(id, entry);
    if (rehearsal_ != nullptr) {
      spent(now_ns() - begun);
      ok = rehearse(id, entry, peer, std::move(ok));
    } else {
      ok = refuse(id, entry, ok);
    }
    if (!ok) return ok;
  }
  return {};
}

}  // namespace handoff::io
