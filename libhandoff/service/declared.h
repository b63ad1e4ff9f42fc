// What a service has declared and what all of its lanes share: its names, its named fds, its kinds
// of sessions with their conversions, its sections and regions. From handoff_ready() on nothing
// here changes but the fds of the names and, by lane 0, the regions; the sessions of each lane are
// in service/registry.
//
// It owns the named fds and the regions.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/negotiation.h"
#include "libhandoff/service/region.h"

namespace handoff::io {

struct NamedFd {
  std::string address;  // as declared, then as bound; "" if it is no listener
  UniqueFd fd;          // invalid until somebody gives it
};

struct StateStep {
  handoff_convert_fn convert = nullptr;
  void* user = nullptr;
};

struct SessionKind {
  std::string name;
  std::uint32_t version = 1;
  std::map<core::Step, StateStep> steps;

  std::vector<core::Step> step_list() const;
};

struct SectionDecl {
  std::string name;
  std::vector<std::uint32_t> reads;
  std::vector<std::uint32_t> writes;
  handoff_section_ops ops{};
  void* user = nullptr;
};

struct Declared {
  std::string service;
  std::string release;
  std::uint64_t generation = 0;
  std::uint32_t lanes = 1;
  std::map<std::string, NamedFd> named;
  // For the fds in `named` once several threads may look: who changes one or asks for one.
  std::mutex named_lock;
  std::vector<SessionKind> kinds;
  std::vector<SectionDecl> sections;
  std::vector<Region> regions;
  // Ids of sessions are counted over all lanes.
  std::atomic<std::uint64_t> next_session = 1;
  // Comes from any lane's thread.
  void (*log)(void*, int, const char*) = nullptr;
  void* log_user = nullptr;
};

}  // namespace handoff::io
