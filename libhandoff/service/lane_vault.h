// What one lane has of the vault: the writer of its span, and the word that says that all of its
// sessions are there.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "libhandoff/service/registry.h"
#include "libhandoff/vault/writer.h"

namespace handoff::io {

struct LaneVault {
  LaneVault(std::unique_ptr<vault::Writer> made, std::uint32_t& word)
      : writer(std::move(made)), complete(word) {}

  // Enters a session of the registry that the writer does not know yet.
  void enter(std::uint64_t id, const SessionEntry& entry) {
    if (!writer->knows(id)) writer->open(id, entry.kind, entry.fd, false);
  }
  // All sessions are there, and their sockets this process's: this vault is the one to recover
  // from.
  void count() {
    writer->take_over();
    if (writer->broken() == nullptr) vault::store(complete, 1U);
  }

  std::unique_ptr<vault::Writer> writer;
  std::uint32_t& complete;  // in the vault's header
  bool accepting = false;   // the next session to be opened was accepted
  handoff_saved saved = {};
};

}  // namespace handoff::io
