// The happy path: each lane's sessions in their order, each by the cookie of its socket; then the
// connection that was being accepted, if there was one. The failures: a session that the vault
// can't give, that has no socket any more or is to stay behind is told with the reason, and reset
// by whoever hands over.
#include "supervisor/vault/account.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/vault/kernel.h"
#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/memory.h"
#include "supervisor/vault/sockets.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kQuarantined =
    "processes have crashed in its input as often as vault_max_crashes allows";
// What only a process does that has damaged its vault, or has closed a socket behind it.
constexpr const char* kOfNoKind = "the vault has it as of no kind";
constexpr const char* kTwice = "the vault has its number twice";
constexpr const char* kNoSocket = "its socket is not there any more";

// Of a Unix socket the kernel counts nothing.
Result<vault::Position> position_of(const vault::Listed& session, int fd) {
  if (session.local) return vault::Position{};
  if (const auto at = vault::position_at(fd)) return *at;
  return fail(HANDOFF_ERR_PROTOCOL, "the kernel does not say how far its connection has come");
}

LeftSession left_of(const vault::Reader& lane, const vault::Listed& session, UniqueFd fd,
                    const char* lost) {
  LeftSession out{.id = session.id,
                  .kind = session.kind,
                  .fd = std::move(fd),
                  .saved = {},
                  .fresh = session.fresh,
                  .lost = lost};
  if (!out.lost.empty()) return out;
  const auto at = position_of(session, out.fd.get());
  auto saved = at ? lane.recover(session, *at) : Failure(at.error());
  if (saved) {
    out.saved = std::move(*saved);
  } else {
    out.lost = saved.error().message;
  }
  return out;
}

struct Lane {
  vault::Span memory;
  vault::Reader reader;
};

Result<std::vector<Lane>> map_lanes(int memory, std::uint64_t count) {
  std::vector<Lane> out;
  out.reserve(count);
  for (std::uint64_t number = 0; number < count; ++number) {
    auto span = vault::Span::map(memory, vault::lane_at(number), vault::kLaneSpan, false);
    if (!span) return Failure(span.error());
    vault::Reader reader(span->bytes());
    out.push_back({std::move(*span), std::move(reader)});
  }
  return out;
}

}  // namespace

Result<LeftAccount> read_account(int memory, vault::Kept kept,
                                 const std::set<std::uint64_t>& quarantined) {
  const auto header = vault::Span::map(memory, 0, vault::kHeaderSpan, false);
  if (!header) return Failure(header.error());
  auto about = vault::read_about(header->bytes());
  if (!about) return Failure(about.error());
  if (!about->complete) {
    return fail(HANDOFF_ERR_PROTOCOL, "the process has not owned the sessions of this vault");
  }
  const auto lanes = map_lanes(memory, about->lanes);
  if (!lanes) return Failure(lanes.error());
  LeftAccount out{.about = std::move(*about), .sessions = {}, .problems = {}};
  const std::size_t kinds = out.about.kinds.size();
  Sockets sockets(std::move(kept));
  std::unordered_set<std::uint64_t> ids;
  for (const Lane& lane : *lanes) {
    if (!lane.reader.problem().empty()) {
      const auto number = std::to_string(&lane - lanes->data());
      out.problems.push_back("lane " + number + ": " + lane.reader.problem());
    }
    for (const vault::Listed& session : lane.reader.sessions()) {
      UniqueFd fd = sockets.take(session.cookie);
      const bool alone = ids.insert(session.id).second;
      const char* const lost = session.kind >= kinds              ? kOfNoKind
                               : !alone                           ? kTwice
                               : !fd.valid()                      ? kNoSocket
                               : quarantined.contains(session.id) ? kQuarantined
                                                                  : "";
      out.sessions.push_back(left_of(lane.reader, session, std::move(fd), lost));
      if (session.kind >= kinds) out.sessions.back().kind = 0;
      if (!alone) out.sessions.back().id = 0;
    }
  }
  // The sockets of all sessions have been taken. Which of the lanes has accepted one of the others
  // does not matter: it has nothing yet.
  for (const Lane& lane : *lanes) {
    const std::uint32_t accepting = lane.reader.accepting();
    if (accepting == 0 || accepting > kinds) continue;
    UniqueFd fd = sockets.take_accepted([&](std::uint64_t cookie) {
      return std::ranges::any_of(*lanes, [&](const Lane& one) { return one.reader.ended(cookie); });
    });
    if (!fd.valid()) continue;
    out.sessions.push_back(
        {.kind = accepting - 1, .fd = std::move(fd), .saved = {}, .fresh = true, .lost = ""});
  }
  return out;
}

}  // namespace handoff::supervisor
