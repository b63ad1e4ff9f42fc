#include "libhandoff/sys/fd_limit.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>

namespace handoff::io {
namespace {

std::atomic<rlim_t> of_children = 0;  // 0: as it is
std::atomic<rlim_t> raised_to = 0;    // another limit than this is the service's own

bool set(rlim_t soft) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return false;
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

rlimit limits() {
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);  // fails for a bad pointer alone
  return limit;
}

// In a child, before fork(2) returns there: system calls only (signal-safety(7)).
void lower_in_child() {
  const rlim_t soft = of_children.load();
  if (soft != 0 && limits().rlim_cur == raised_to.load()) (void)set(soft);
}

}  // namespace

std::uint64_t FdLimit::now() { return limits().rlim_cur; }
std::uint64_t FdLimit::most() { return limits().rlim_max; }

bool FdLimit::raise(std::uint64_t wanted) {
  static const int handler = ::pthread_atfork(nullptr, nullptr, lower_in_child);
  (void)handler;  // without memory for it children have the limit of their parent
  const std::uint64_t from = now();
  const std::uint64_t to = std::min(wanted, most());
  if (to <= from || !set(to)) return false;
  raised_to.store(to);
  rlim_t none = 0;
  const bool first = of_children.compare_exchange_strong(none, from);
  raised_ = raised_ ? Raised{raised_->from, to, raised_->first} : Raised{from, to, first};
  return true;
}

void FdLimit::restore() {
  if (!raised_) return;
  // The service may have set it meanwhile.
  const bool lowered = now() == raised_->to && set(raised_->from);
  if (lowered) raised_to.store(raised_->from);
  if (lowered && raised_->first) of_children.store(0);
  raised_.reset();
}

}  // namespace handoff::io
