// Sessions as they travel from donor to heir and over a link; handoff.proto says what each field
// is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libhandoff/core/counters.h"
#include "libhandoff/protocol/description.h"

namespace handoff::protocol {

using core::Counters;

void describe(auto& on, Is<Counters> auto& m) {
  on.message("Counters").field(1, m.consumed).field(2, m.written);
}

struct Blob {
  std::uint64_t state_length = 0;
  std::uint64_t input_length = 0;
  std::uint64_t output_length = 0;
  std::uint64_t checksum = 0;
};
void describe(auto& on, Is<Blob> auto& m) {
  on.message("Blob")
      .field(1, m.state_length)
      .field(2, m.input_length)
      .field(3, m.output_length)
      .field(4, m.checksum)
      // Each part is held to the limit, so that their sum can't wrap.
      .require(m.state_length <= kMaxSessionBytes && m.input_length <= kMaxSessionBytes &&
                   m.output_length <= kMaxSessionBytes,
               "over the limit");
}

struct SessionProcess {
  std::uint32_t pid = 0;
  std::uint64_t started = 0;
};
void describe(auto& on, Is<SessionProcess> auto& m) {
  on.message("SessionProcess").field(1, m.pid).field(2, m.started);
}

// The record's input or output goes behind what came of it before, without so many bytes at the
// front.
struct TailMark {
  std::uint64_t drop = 0;
};
void describe(auto& on, Is<TailMark> auto& m) { on.message("TailMark").if_set(1, m.drop); }

// An fd that belongs to a session beside its socket.
struct SessionFd {
  std::string name;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  bool sent = false;  // the frame's next fd; else the heir has it by that name
};
void describe(auto& on, Is<SessionFd> auto& m) {
  on.message("SessionFd")
      .text(1, m.name, kMaxName, "the name of a session's fd")
      .field(2, m.inode)
      .field(3, m.device)
      .if_set(4, m.sent);
}

inline constexpr std::uint32_t kSessionIndependent = 1;
struct Session {
  std::uint64_t id = 0;
  std::uint32_t kind = 0;
  std::uint32_t flags = 0;
  bool has_fd = false;
  std::string_view state = {};
  std::string_view input = {};
  std::string_view output = {};
  std::uint32_t layer_flags = 0;
  std::uint64_t inode = 0;
  std::optional<Counters> counters = {};
  std::optional<Blob> blob = {};
  std::optional<SessionProcess> process = {};
  std::optional<TailMark> input_tail = {};
  std::optional<TailMark> output_tail = {};
  std::string_view layer = {};
  std::vector<SessionFd> fds = {};  // all that it has now
  bool no_fd = false;               // it has no socket
};
void describe(auto& on, Is<Session> auto& m) {
  on.message("Session")
      .field(1, m.id)
      .field(2, m.kind)
      .field(3, m.flags)
      .field(4, m.has_fd)
      .if_set(5, m.state)
      .if_set(6, m.input)
      .if_set(7, m.output)
      .if_set(8, m.layer_flags)
      .field(9, m.inode)
      .part(10, m.counters)
      .part(11, m.blob)
      .part(12, m.process)
      .part(23, m.input_tail)
      .part(24, m.output_tail)
      .if_set(41, m.layer)
      .each(50, m.fds, kMaxSessionFds, "too many fds of a session")
      .if_set(51, m.no_fd)
      .require(m.id != 0 && m.layer.size() <= kMaxLayer,
               m.id == 0 ? "without an id" : "with too many bytes of a layer");
}

struct InRing {
  std::uint32_t slot = 0;
  std::uint32_t length = 0;
  std::uint64_t checksum = 0;
};
void describe(auto& on, Is<InRing> auto& m) {
  on.message("InRing").field(1, m.slot).field(2, m.length).field(3, m.checksum);
}

// A frame of sessions, decoded as a whole. A donor encodes it record by record, as sessions come,
// by the functions below.
struct Sessions {
  std::vector<Session> sessions;
  std::vector<std::uint64_t> closed;
  std::optional<InRing> in_ring = {};
  bool unseen = false;
};
void describe(auto& on, Is<Sessions> auto& m) {
  on.message("Sessions")
      .each(1, m.sessions)
      .list(2, m.closed)
      .part(3, m.in_ring)
      .if_set(4, m.unseen);
}
// Append one record, one closed id, or the flag `unseen` to the body of a Sessions.
void append(std::string& body, const Session& session);
void append_closed(std::string& body, std::uint64_t id);
void append_unseen(std::string& body);
// The body of a Sessions whose records lie in the ring.
std::string encode(const InRing& m);

}  // namespace handoff::protocol
