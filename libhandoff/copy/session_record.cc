#include "libhandoff/copy/session_record.h"

#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/sys/memory.h"
#include "libhandoff/sys/socket.h"

namespace handoff::io {

Result<void> save_session(Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t version, handoff_saved& out) {
  const SessionKind& kind = registry.format_of(entry.kind);
  out.state.clear();
  out.input.clear();
  out.output.clear();
  out.flags = 0;
  out.given = false;
  const auto called =
      registry.call([&] { return "save() of " + registry.describe(id, entry.kind); },
                    [&] {
                      if (registry.callbacks.save == nullptr) return -ENOSYS;
                      return registry.callbacks.save(registry.callbacks_user, id, &out);
                    });
  if (!called) return Failure(called.error());
  // A binding that swallows an exception returns 0, too.
  if (!out.given && !kind.stateless) {
    return fail(HANDOFF_ERR_REJECTED,
                "save() of " + registry.describe(id, entry.kind) +
                    " returned 0 and saved nothing; a kind without a state is declared by "
                    "handoff_stateless()");
  }
  return registry.convert(kind, kind.version, version, out.state);
}

Result<void> check_fd(const Registry& registry, std::uint64_t id, const SessionEntry& entry) {
  const auto identity = identity_of(entry.fd);
  if (identity && identity->inode == entry.inode) return {};
  return fail(HANDOFF_ERR_IDENTITY, registry.describe(id, entry.kind) +
                                        ": its fd is closed or another socket now; call "
                                        "handoff_session_closed() before close(2)");
}

Result<void> pack_session(const Registry& registry, std::uint64_t id, const SessionEntry& entry,
                          std::uint32_t kind, const handoff_saved& saved, bool with_fd,
                          PackedSessions& out) {
  protocol::Session record{.id = id,
                           .kind = kind,
                           .flags = entry.independent ? protocol::kSessionIndependent : 0,
                           .has_fd = with_fd,
                           .layer_flags = saved.flags,
                           .inode = entry.inode};
  if (entry.independent) record.counters = counters_of(entry.fd);
  record.process = registry.processes.of(id);
  if (with_fd) out.fds.push_back(entry.fd);
  const std::size_t total = saved.state.size() + saved.input.size() + saved.output.size();
  if (total > protocol::kMaxInline) {
    if (total > protocol::kMaxSessionBytes) {
      return fail(-E2BIG, registry.describe(id, entry.kind) + ": its state is over 4 GiB");
    }
    const std::string_view parts[] = {saved.state, saved.input, saved.output};
    auto blob = make_blob(parts);
    if (!blob) return Failure(blob.error());
    record.blob = protocol::Blob{.state_length = saved.state.size(),
                                 .input_length = saved.input.size(),
                                 .output_length = saved.output.size(),
                                 .checksum = checksum(saved.state, saved.input, saved.output)};
    out.fds.push_back(blob->get());
    out.blobs.push_back(std::move(*blob));
  } else {
    record.state = saved.state;
    record.input = saved.input;
    record.output = saved.output;
  }
  protocol::append(out.body, record);
  out.bytes += total;
  return {};
}

}  // namespace handoff::io
