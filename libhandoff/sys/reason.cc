#include "libhandoff/sys/reason.h"

#include <cerrno>
#include <string>

#include "handoff/handoff.h"

namespace handoff::io {
namespace {

const char* remedy(int code) {
  switch (code) {
    case -EMFILE:
      return "; raise its limit of open files (RLIMIT_NOFILE, LimitNOFILE=)";
    case -ENFILE:
      return "; raise the host's limit of open files (fs.file-max)";
    case -ENOMEM:
    case -ENOSPC:  // of a memfd, which lies in memory
    case -ENOBUFS:
      return "; give it more memory (RLIMIT_AS, MemoryMax=, or the host's)";
    default:
      return "";  // fds in flight (ETOOMANYREFS) go down by themselves
  }
}

}  // namespace

bool is_shortage(int code) {
  switch (code) {
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case -ENOSPC:
    case -ENOBUFS:
    case -ETOOMANYREFS:
      return true;
    default:
      return false;
  }
}

core::Reason out_of_memory() { return to_reason(Error::from_errno(ENOMEM, "the handoff")); }

core::Reason to_reason(const Error& error) {
  if (is_shortage(error.code)) {
    return {core::Code::kResources, error.message + remedy(error.code)};
  }
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
    default:
      return {core::Code::kInternal, error.message};
  }
}

}  // namespace handoff::io
