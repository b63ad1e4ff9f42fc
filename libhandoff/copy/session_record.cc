#include "libhandoff/copy/session_record.h"

#include "libhandoff/base/description.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/memory.h"
#include "libhandoff/sys/reason.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

namespace {

// A SessionFd without its name, at most.
constexpr std::size_t kFdFields = 32;

Result<int> call_save(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                      handoff_saved& out, const AtPeer& at_peer) {
  out.state.clear();
  out.input.begin(at_peer.input);
  out.output.begin(at_peer.output);
  out.flags = 0;
  out.given = false;
  out.error = 0;
  out.layer.wipe();
  out.put = registry.told.give(id, out);
  if (out.put) return 0;
  return registry.call([&] { return "save() of " + registry.describe(id, entry); },
                       [&] {
                         if (registry.callbacks.save == nullptr) return -ENOSYS;
                         return registry.callbacks.save(registry.callbacks_user, id, &out);
                       });
}

}  // namespace

Result<void> save_session(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t version, handoff_saved& out, const AtPeer& at_peer) {
  const SessionKind& kind = registry.format_of(entry.kind);
  auto called = call_save(registry, id, entry, out, at_peer);
  // Both are asked: each notes by it what is sent.
  const bool input = out.input.end();
  const bool output = out.output.end();
  if (called && !(input && output)) {  // the positions do not go on from those of before
    called = call_save(registry, id, entry, out, {});
  }
  if (!called) return Failure(called.error());
  if (out.error != 0) {
    return fail(is_shortage(out.error) ? out.error : HANDOFF_ERR_REJECTED,
                "save() of " + registry.describe(id, entry) + " returned 0, although " +
                    out.failed + "() had failed in it: " + description(out.error));
  }
  // A binding that swallows an exception returns 0, too.
  if (!out.given && !kind.stateless) {
    return fail(HANDOFF_ERR_REJECTED,
                "save() of " + registry.describe(id, entry) +
                    " returned 0 and saved nothing; a kind without a state is declared by "
                    "handoff_stateless()");
  }
  auto converted = registry.convert(kind, kind.version, version, out.state);
  if (converted) return converted;
  return fail(converted.error().code,
              registry.describe(id, entry) + ": " + converted.error().message);
}

std::size_t fds_of_record(const Registry& registry, std::uint64_t id) {
  return 2 + registry.sessions.fds().of(id).size();
}

Failure own_fds_unknown(const Registry& registry, std::uint64_t id, const SessionEntry& entry) {
  const auto& list = registry.sessions.fds().of(id);
  return fail(HANDOFF_ERR_VERSION,
              registry.describe(id, entry) +
                  (list.empty() ? " has no socket"
                                : " has an fd '" + list.front().name + "' beside its socket") +
                  ", which the libhandoff of the new release does not know of; build that release "
                  "with a newer one");
}

Result<void> check_own_fds(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                           bool first) {
  for (const SessionFd& one : registry.sessions.fds().of(id)) {
    if ((!first && one.sent) || is_still(one)) continue;
    return fail(HANDOFF_ERR_IDENTITY, registry.describe(id, entry) + ": its fd '" + one.name +
                                          "' is closed or another file now; call "
                                          "handoff_session_fd() with -1 before close(2)");
  }
  return {};
}

Result<void> check_fd(const Registry& registry, std::uint64_t id, const SessionEntry& entry) {
  if (entry.no_fd) return {};
  const auto identity = identity_of(entry.fd);
  if (identity && identity->inode == entry.inode) return {};
  return fail(HANDOFF_ERR_IDENTITY, registry.describe(id, entry) +
                                        ": its fd is closed or another socket now; call "
                                        "handoff_session_closed() before close(2)");
}

Result<void> pack_session(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t kind, const handoff_saved& saved, bool first,
                          PackedSessions& out) {
  protocol::Session record{.id = id,
                           .kind = kind,
                           .flags = entry.independent ? protocol::kSessionIndependent : 0,
                           .has_fd = first && !entry.no_fd,
                           .layer_flags = saved.flags,
                           .inode = entry.inode,
                           .no_fd = entry.no_fd};
  // What the kernel counts of the socket says nothing of other fds, nor of a state that was put
  // some time ago.
  if (entry.independent && !saved.put && !registry.sessions.has_own_fds(id, entry)) {
    record.counters = counters_of(entry.fd);
  }
  record.process = registry.processes.of(id);
  if (const auto drop = saved.input.drop()) record.input_tail = protocol::TailMark{*drop};
  if (const auto drop = saved.output.drop()) record.output_tail = protocol::TailMark{*drop};
  if (record.has_fd) out.fds.push_back(entry.fd);
  std::size_t names = 0;
  for (const SessionFd& one : registry.sessions.fds().of(id)) {
    const bool sent = first || !one.sent;
    record.fds.push_back({one.name, one.inode, one.device, sent});
    if (sent) out.fds.push_back(one.fd);
    names += one.name.size() + kFdFields;
  }
  const std::string& input = saved.input.bytes();
  const std::string& output = saved.output.bytes();
  const std::size_t total = saved.state.size() + input.size() + output.size();
  if (total + names > protocol::kMaxInline) {
    if (total > protocol::kMaxSessionBytes) {
      return fail(-E2BIG, registry.describe(id, entry) + ": what it saves is over 4 GiB");
    }
    const std::string_view parts[] = {saved.state, input, output};
    auto blob = make_blob(parts);
    if (!blob) return Failure(blob.error());
    record.blob = protocol::Blob{.state_length = saved.state.size(),
                                 .input_length = input.size(),
                                 .output_length = output.size(),
                                 .checksum = checksum(saved.state, input, output)};
    out.fds.push_back(blob->get());
    out.blobs.push_back(std::move(*blob));
  } else {
    record.state = saved.state;
    record.input = input;
    record.output = output;
  }
  if (!saved.layer.empty()) {
    record.layer = saved.layer.view();
    out.secret = true;
  }
  // From the first secret on, whatever makes the body grow.
  if (out.secret) {
    constexpr std::size_t kRest = 1024;  // all else of a record
    reserve_and_wipe(out.body, record.state.size() + record.input.size() + record.output.size() +
                                   record.layer.size() + names + kRest);
  }
  protocol::append(out.body, record);
  out.bytes += total;
  return {};
}

}  // namespace handoff::io
