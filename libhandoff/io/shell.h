// What both sides of a handoff have in common: its parameters, and how its progress and its end
// reach the supervisor and the service around.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "core/types.h"
#include "handoff/handoff.h"
#include "protocol/messages.h"

namespace handoff::io {

// Implemented by io/service; an interface, so that tests can listen.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void progress(const protocol::Progress& progress) = 0;
  virtual void failed(const protocol::Failed& failed) = 0;
  virtual void retired(const protocol::Retired& retired) = 0;
};

struct HandoffParameters {
  std::uint64_t id = 0;
  core::Limits limits;
};

// The reason that the peer and the operator are given for an error on this side.
inline core::Reason to_reason(const Error& error) {
  switch (error.code) {
    case HANDOFF_ERR_PROTOCOL:
      return {core::Code::kProtocol, error.message};
    case HANDOFF_ERR_REJECTED:
      return {core::Code::kRejected, error.message};
    case HANDOFF_ERR_VERSION:
      return {core::Code::kVersion, error.message};
    case HANDOFF_ERR_IDENTITY:
      return {core::Code::kIdentity, error.message};
    case HANDOFF_ERR_UNKNOWN:
      return {core::Code::kUnclaimed, error.message};
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOSPC:
    case -ENOBUFS:
    case -ETOOMANYREFS:
      return {core::Code::kResources, error.message};
    default:
      return {core::Code::kInternal, error.message};
  }
}

}  // namespace handoff::io
