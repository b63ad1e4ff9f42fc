// The part of a session's state that both releases have. The Stream saves half a request and unsent
// replies.
#ifndef HANDOFF_EXAMPLES_KV_SESSION_CORE_H
#define HANDOFF_EXAMPLES_KV_SESSION_CORE_H

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codec.h"
#include "common.h"

namespace kv {

using Request = std::vector<std::string>;

// MULTI: what EXEC will do.
struct Transaction {
  bool failed = false;  // a command was refused: EXEC will refuse, too
  std::vector<Request> queue;
  bool operator==(const Transaction&) const = default;
};

// WATCH: on what EXEC depends.
struct Watched {
  bool touched = false;  // one of them was changed: EXEC will do nothing
  std::vector<DatabaseKey> keys;
  bool operator==(const Watched&) const = default;
};

// BLPOP: for what it waits.
struct Wait {
  std::vector<std::string> keys;
  Time deadline = kNever;
  std::uint64_t turn = 0;  // smaller for a session that has waited longer, across generations
  bool operator==(const Wait&) const = default;
};

struct SessionCore {
  int db = 0;
  std::string name;
  std::optional<Transaction> transaction;
  Watched watched;
  std::optional<Wait> wait;
  std::set<std::string, std::less<>> channels;
  bool operator==(const SessionCore&) const = default;
};

void encode_core(const SessionCore& core, Encoder& out);
// Throws Malformed.
SessionCore decode_core(Decoder& in);

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_SESSION_CORE_H
