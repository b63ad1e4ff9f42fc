#include "core/types.h"

namespace handoff::core {

const char* code_name(Code code) {
  switch (code) {
    case Code::kUnspecified:
      return "unspecified";
    case Code::kVersion:
      return "version";
    case Code::kUnclaimed:
      return "unclaimed";
    case Code::kIdentity:
      return "identity";
    case Code::kRejected:
      return "rejected";
    case Code::kTimeout:
      return "timeout";
    case Code::kProtocol:
      return "protocol";
    case Code::kResources:
      return "resources";
    case Code::kPeerDied:
      return "peer-died";
    case Code::kCancelled:
      return "cancelled";
    case Code::kInternal:
      return "internal";
  }
  return "unspecified";
}

}  // namespace handoff::core
