// What a release is and what it can read and write: the input of negotiation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace handoff::core {

// A kind of session, a section, or a region.
struct Kind {
  std::string name;
  bool section = false;
  std::uint32_t version = 0;               // sessions: this release's own; regions: the layout
  std::vector<std::uint32_t> reads = {};   // versions that this release can take
  std::vector<std::uint32_t> writes = {};  // versions that this release can give
  bool region = false;
  // Sessions of this listener alone. The name is "session" then, which is all that a peer sees that
  // does not know of listeners' kinds.
  std::string listener = {};
};

// A listener or another fd with a name. Inode and device are its identity (invariant I6,
// docs/invariants.md).
struct Named {
  std::string name;
  std::string address = {};
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint32_t fd_index = 0;
};

struct Manifest {
  std::string service;
  std::string release;
  std::vector<Kind> kinds = {};
  std::vector<Named> named = {};
  bool knows_listeners = false;  // the release tells kinds apart by their listener, too
};

}  // namespace handoff::core
