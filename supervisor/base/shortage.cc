#include "supervisor/base/shortage.h"

#include <cerrno>

namespace handoff::supervisor {

std::string remedy_for_shortage(int code) {
  switch (code) {
    case -ENOSPC:
    case -EDQUOT:
      return "make room on that disk";
    case -EMFILE:
    case -ENFILE:
      return "raise the supervisor's limit of open files (RLIMIT_NOFILE, LimitNOFILE=)";
    case -EAGAIN:
      return "raise the limit of processes (RLIMIT_NPROC, TasksMax=)";
    case -ENOMEM:
      return "give the supervisor and its services more memory (MemoryMax=)";
    default:
      return "";
  }
}

}  // namespace handoff::supervisor
