// The donor's state that belongs to the service and not to a session. Named fds and regions go over
// the main channel before the sessions of the first round, chunks of sections behind the sessions
// of each round.
//
// Chunks lie in the ring, which is announced before the first session if there are sections.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libhandoff/copy/frame_sender.h"
#include "libhandoff/copy/ring_sender.h"
#include "libhandoff/copy/round.h"
#include "libhandoff/core/types.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

// An end of a link to a late process, which the heir inherits as a named fd.
struct LinkEnd {
  std::string name;
  int fd = -1;  // borrowed
};

class ServiceSender {
 public:
  ServiceSender(Registry& registry, FrameSender& frames, RingSender& ring)
      : registry_(registry), frames_(frames), ring_(ring) {}
  ~ServiceSender();
  ServiceSender(const ServiceSender&) = delete;
  ServiceSender& operator=(const ServiceSender&) = delete;

  // Before begin(kFirst).
  void set_terms(const Terms& terms) {
    versions_ = terms.versions;
    leaving_ = terms.leaving;
  }
  void set_links(std::vector<LinkEnd> links) { links_ = std::move(links); }

  Result<void> begin(Round round);
  // The next frame of what goes before the sessions.
  Result<Pumped> send_first();
  // The next chunk of what goes behind them.
  Result<Pumped> send_chunk();
  // Ends the sections' copy; moved says whether they are the heir's now. Idempotent.
  void end(bool moved);
  // The heir has taken over: its regions are no longer mapped here.
  void let_go();

  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t bytes() const { return bytes_; }
  // What sections gave in this round, and how long ago the first of them was asked.
  struct Given {
    std::uint64_t bytes = 0;
    core::Duration since = 0;
  };
  Given given() const;
  // In a rehearsal, after its round: the length of the next chunk of what has changed since; 0:
  // there is no more. Nothing is sent. chunk: HANDOFF_CHUNK_MAX bytes.
  Result<int> read_change(void* chunk);
  // When the first fds were about to go; 0 before.
  std::uint64_t first_fd_at_ns() const { return first_fd_at_ns_; }

 private:
  enum class Part : std::uint8_t { kNamed, kRegions, kRing, kNone };
  struct Passed {
    std::string name;
    std::string address;
    int fd = -1;
  };

  Result<void> begin_sections();
  Result<Pumped> send_named();
  Result<Pumped> send_region();
  // The section's next chunk; 0: there is none.
  Result<int> read(SectionDecl& section, void* chunk);
  std::uint32_t section_kind(std::size_t i) const {
    return static_cast<std::uint32_t>(registry_.kinds.size() + i);
  }
  std::uint32_t region_kind(std::size_t i) const {
    return static_cast<std::uint32_t>(registry_.kinds.size() + registry_.sections.size() + i);
  }
  bool section_travels(std::size_t i) const { return versions_[section_kind(i)] != 0; }
  bool region_travels(std::size_t i) const { return versions_[region_kind(i)] != 0; }

  Registry& registry_;
  FrameSender& frames_;
  RingSender& ring_;
  std::vector<std::uint32_t> versions_;  // as Terms has them
  core::Leaving leaving_;                // likewise
  Round round_ = Round::kFirst;
  Part part_ = Part::kNone;
  std::vector<LinkEnd> links_;
  std::vector<Passed> named_;  // not sent yet
  std::size_t named_total_ = 0;
  std::size_t region_ = 0;
  std::size_t section_ = 0;
  bool sections_begun_ = false;
  std::uint32_t waiting_chunk_ = 0;  // length of a chunk that is in its slot and not yet sent
  std::uint64_t chunks_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t bytes_before_ = 0;  // of rounds that are over
  std::uint64_t asked_at_ns_ = 0;
  std::uint64_t first_fd_at_ns_ = 0;
};

}  // namespace handoff::io
