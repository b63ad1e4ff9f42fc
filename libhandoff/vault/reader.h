// What a vault says of the sessions of a dead process.
//
// Pure: looks at bytes and at positions that others have read from the kernel, and does no I/O. The
// process may have written anything there before it died, and a child of it may still write: each
// field is copied once and then checked. A record that does not hold together is an Error, of that
// session alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/position.h"

namespace handoff::vault {

struct Kind {
  std::string name;
  std::uint32_t version = 1;
  bool of_listener = false;  // declare it by handoff_listener_kind()
  bool stateless = false;
};

// Whose vault it is. The first kind is "session", with the service's state version.
struct About {
  std::string service;
  std::string release;
  std::uint64_t generation = 0;
  std::uint32_t pid = 0;
  std::uint32_t lanes = 1;
  std::vector<Kind> kinds;
  // Each lane has entered all of its sessions. If not, the process has touched no socket yet: the
  // vault that it had its sessions from is the one to recover from, if there was one.
  bool complete = false;
};
// header: the first kHeaderSpan bytes of the memory. HANDOFF_ERR_PROTOCOL for what is no vault.
Result<About> read_about(std::span<const std::byte> header);

// A session that the process had.
struct Listed {
  std::uint32_t entry = 0;
  std::uint64_t id = 0;
  std::uint32_t kind = 0;  // of About::kinds
  int fd = -1;             // its number in the process
  std::uint64_t cookie = 0;
  // Accepted, and nothing of it is committed: make it anew, by create() and on_open(false). Its
  // state is empty, and its input is all that was read.
  bool fresh = false;
  bool local = false;  // a Unix socket
};

// What to go on with. output is cut at what the kernel has had.
struct Recovered {
  std::string state;
  std::string input;
  std::string output;
  std::uint32_t flags = 0;  // of handoff_save_flags()
};

// Of a session that can't be kept.
std::string words_of(Why why);

class Reader {
 public:
  // One lane of the memory, kLaneSpan bytes from lane_at(); borrowed. Never fails: a lane that
  // makes no sense has no sessions, and problem() says why.
  explicit Reader(std::span<const std::byte> lane);

  const std::string& problem() const { return problem_; }
  // Sessions that go on, in the order of their entries.
  const std::vector<Listed>& sessions() const { return sessions_; }
  // Whether a session that had this socket has ended. The process was about to close it, or waited
  // for its client to do so.
  bool ended(std::uint64_t cookie) const { return ended_.contains(cookie); }
  // 1 + the kind of a connection that was being accepted; 0: none was. Its socket, if accept(2) has
  // made it, is the connection of one of the listeners that no entry has and of which ended() is
  // false: a fresh session.
  std::uint32_t accepting() const { return accepting_; }
  // The session whose input was being looked at: the suspect, after a crash. 0: none.
  std::uint64_t current() const { return current_; }
  // at: of its socket, as the kernel counts now. An Error says why the session can't be kept.
  Result<Recovered> recover(const Listed& session, const Position& at) const;

 private:
  Result<void> choose(const Listed& session, Entry& entry, Slot& slot) const;
  Result<std::string> part_of(const Slot& slot, const Part& part, std::size_t within,
                              std::uint64_t from, std::uint64_t skip) const;
  Result<std::string> chain(const Part& part, std::uint64_t from, std::uint64_t skip) const;
  Result<void> append_staged(const Listed& session, std::uint64_t consumed, std::uint64_t have,
                             std::string& input) const;
  template <class T>
  bool copy(std::uint64_t at, T& out) const;

  std::span<const std::byte> lane_;
  std::string problem_;
  std::vector<Listed> sessions_;
  std::unordered_set<std::uint64_t> ended_;
  std::vector<Stage> stages_;
  std::uint64_t epoch_ = 0;
  std::uint32_t accepting_ = 0;
  std::uint64_t current_ = 0;
};

}  // namespace handoff::vault
