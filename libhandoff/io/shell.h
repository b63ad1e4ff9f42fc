// What donor and heir need from the service around them.
#pragma once

#include "core/types.h"
#include "protocol/messages.h"

namespace handoff::io {

// How the outcome of a handoff, and the way to it, reach the supervisor and the service. Implemented
// by io/service; a struct of functions to the drivers, so that tests can listen.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void progress(const protocol::Progress& progress) = 0;
  virtual void failed(const protocol::Failed& failed) = 0;
  virtual void retired(const protocol::Retired& retired) = 0;
};

// The parameters of one handoff, on either side.
struct HandoffParameters {
  std::uint64_t id = 0;
  core::Limits limits;
};

}  // namespace handoff::io
