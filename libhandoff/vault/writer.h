// Keeps the sessions of one lane in a vault.
//
// A turn of the service's loop is one transaction: open(), stage() before each recv(2), put() of
// each session that has changed, close(), and then commit(), before anything is sent and before a
// socket is closed. What is not committed at a death has never been: the next process gets the
// input again.
//
// A commit costs as much as has changed: input and output are chains of blocks to which bytes are
// appended, and a slot refers to them. What a slow reader has not taken is not copied again.
//
// Where memory runs out the vault is over (broken()), and the service goes on without it.
//
// Belongs to its lane's thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/vault/blocks.h"
#include "libhandoff/vault/chain.h"
#include "libhandoff/vault/layout.h"
#include "libhandoff/vault/memory.h"

namespace handoff::vault {

// Bytes of a stream from a position on, counted since the process has the session. Of those at the
// same position it says the same each time.
struct Stretch {
  std::uint64_t from = 0;
  std::uint64_t size = 0;
  std::string_view tail = {};  // the last of them; those before are in the vault already
};

// What is to be kept of a session.
struct State {
  std::string_view state = {};
  Stretch input = {};
  Stretch output = {};
  std::uint32_t flags = 0;
  Why why = Why::kNone;  // it can't be kept
  bool anew = false;     // positions begin again: of those said before nothing holds
  bool theirs = false;   // another process has the socket still: see take_over()
};

class Writer {
 public:
  // Takes lane, kLaneSpan bytes.
  static Result<std::unique_ptr<Writer>> make(Span lane);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Why the vault is over; nullptr if it is not.
  const char* broken() const { return broken_; }
  void break_off(const char* why);
  std::size_t sessions() const { return held_.size(); }

  // A connection is about to be accepted: 1 + its kind; 0: no more.
  void accepting(std::uint32_t kind) { store(control().accepting, kind); }
  // A session of that kind (an index into the header's). accepted: no byte of it was read or
  // written, and it is made anew after a death before its first commit. Without memory for it, or
  // for close(), the vault is over.
  void open(std::uint64_t id, std::uint32_t kind, int fd, bool accepted);
  bool knows(std::uint64_t id) const { return held_.contains(id); }

  // Receives what the session's socket has, by recv(2), from `position` on. The bytes are at *data
  // until the next commit. Returns as recv(2) does, with -errno; -ENOBUFS if there is no room
  // before the next commit, -ENOENT if there is no such session.
  ssize_t receive(std::uint64_t id, std::uint64_t position, const char** data);
  // Whose input is looked at from now on; 0: nobody's.
  void current(std::uint64_t id);

  // What the vault has of its input and output, so that a tail may begin behind it: positions from
  // and end, which are the same if it has nothing that can be referred to.
  struct Has {
    std::uint64_t from;
    std::uint64_t end;
  };
  Has has_input(std::uint64_t id);
  Has has_output(std::uint64_t id);
  // What was put last. A stretch within the slot has its bytes (tail), one in a chain has none.
  struct Newest {
    Stretch input;
    Stretch output;
    Why why = Why::kNone;
  };
  Newest newest(std::uint64_t id);
  void put(std::uint64_t id, const State& state);
  // Nobody else touches the sockets any more of sessions that were put as `theirs`: what the kernel
  // has counted by now is where they are.
  void take_over();
  bool is_local(std::uint64_t id);  // a Unix socket
  // Its fds are closed after the commit.
  void close(std::uint64_t id);
  void commit();
  std::uint64_t epoch() const { return control().epoch; }
  // Bytes of memory that are allocated.
  std::uint64_t allocated() const;

 private:
  struct Held {
    std::uint64_t id;
    std::uint32_t entry;
    int fd;
    Chain input;
    Chain output;
    // Chains of a state, and which of them each slot has.
    std::array<std::vector<std::uint32_t>, 2> states = {};
    std::array<std::uint8_t, 2> state_of = {};
    bool no_socket = false;  // it can't be kept
    bool theirs = false;     // is among theirs_
  };

  explicit Writer(Span lane) : lane_(std::move(lane)), blocks_(lane_) {}
  Control& control() const { return *reinterpret_cast<Control*>(lane_.data()); }
  Entry& entry(std::uint32_t number) const {
    return *reinterpret_cast<Entry*>(lane_.data() + kEntriesAt + number * sizeof(Entry));
  }
  // Where to receive, as in receive(); empty if there is no room.
  std::span<char> stage(Held& held, std::uint64_t position);
  Held* find(std::uint64_t id);
  static const Slot& newest_slot(const Entry& e) {
    return e.slot[e.slot[1].epoch > e.slot[0].epoch ? 1 : 0];
  }
  // What the kernel counts is known, or never will be.
  bool is_counted(const Held& held) const {
    return held.no_socket || (entry(held.entry).flags & (kBased | kLocal)) != 0;
  }
  bool new_entry(std::uint32_t& number);
  Held* hold(std::uint64_t id, int fd);
  bool back_staging(std::uint64_t end);
  void base(Held& held, std::uint64_t read, std::uint64_t written);
  bool put_state(Held& held, std::size_t slot, std::string_view state, Part& part);
  bool fill(std::vector<std::uint32_t>& chain, std::string_view state, Part& part);
  bool same_state(const Held& held, const Slot& newest, std::string_view state) const;

  Span lane_;
  Blocks blocks_;
  std::unordered_map<std::uint64_t, Held> held_;
  Held* last_ = nullptr;  // that was found
  std::vector<std::uint32_t> free_entries_;
  std::vector<std::uint32_t> free_after_;  // blocks, after the next commit
  std::vector<std::uint64_t> closed_;      // sessions that end with it
  std::vector<std::uint64_t> theirs_;      // sessions with output that take_over() counts
  std::uint64_t entries_backed_ = 0;
  std::uint64_t staging_backed_ = 0;
  std::uint32_t staged_to_ = 0;
  bool changed_ = false;
  const char* broken_ = nullptr;
};

}  // namespace handoff::vault
