// What a service has declared, shared by all of its lanes: names, named fds, kinds of sessions with
// their conversions, sections and regions. From handoff_ready() on only three things change: the
// fds of the names, the regions, by lane 0 alone, and the processes of sessions. The sessions of
// each lane are in service/registry.
//
// Declared owns the named fds and the regions.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "handoff/handoff.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/core/negotiation.h"
#include "libhandoff/service/blob.h"
#include "libhandoff/service/region.h"
#include "libhandoff/service/session_processes.h"

namespace handoff::io {

// A socket at another address of a listener: clients wait there.
struct EarlierFd {
  std::string address;
  UniqueFd fd;
};

struct NamedFd {
  std::string address;       // as declared, then as bound; "" if it is no listener
  UniqueFd fd;               // invalid until somebody gives it
  bool nonblocking = false;  // as SessionEntry's
  // The supervisor's, which no process has; in case nobody else gives one.
  UniqueFd kept = {};
  std::string kept_address = {};
  // The supervisor's, in place of the one that the donor gives.
  UniqueFd moved = {};
  std::string moved_address = {};
  std::vector<EarlierFd> earlier = {};  // until the service takes them
  bool offered = false;                 // the supervisor has one, or would have
};

struct StateStep {
  handoff_convert_fn convert = nullptr;
  void* user = nullptr;
};

struct SessionKind {
  std::string name;
  std::uint32_t version = 1;
  bool stateless = false;
  bool no_snapshots = false;
  std::map<core::Step, StateStep> steps;
  // The name is a listener's, and version and steps are those of the kind "session".
  bool of_listener = false;

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
  // Each lane has the callbacks for sessions that stay; from handoff_ready() on.
  bool all_lanes_hold = true;
  std::map<std::string, NamedFd> named;
  // Listeners that this release knows and does not want; true: nor is anybody to have them.
  std::map<std::string, bool> given_back;
  // Held by any thread that changes or asks for an fd in `named` while several lanes run.
  std::mutex named_lock;
  std::vector<SessionKind> kinds;
  std::vector<SectionDecl> sections;
  std::vector<std::unique_ptr<Blob>> blobs;  // what some of the sections are
  std::vector<Region> regions;
  SessionProcesses processes;
  // The next session's number: counted over all lanes, so that no two lanes give the same id.
  std::atomic<std::uint64_t> next_session = 1;
  // Any lane's thread may call it.
  void (*log)(void*, int, const char*) = nullptr;
  void* log_user = nullptr;
};

}  // namespace handoff::io
