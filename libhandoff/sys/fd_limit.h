// How many files this process may open, its soft RLIMIT_NOFILE (getrlimit(2)): raised for a handoff
// that needs more than the service was given, and for nothing else.
#pragma once

#include <cstdint>
#include <optional>

namespace handoff::io {

class FdLimit {
 public:
  // Now, and how far it may be raised: the soft limit, and the hard one.
  static std::uint64_t now();
  static std::uint64_t most();

  // Raises it to so many, or to most() if that is less. Whether it was below.
  //
  // A child that is forked from then on begins with what there was before the first raise of this
  // process (pthread_atfork(3)). vfork(2) and posix_spawn(3) call no such handler.
  bool raise(std::uint64_t wanted);
  // As it was before raise(), unless somebody has changed it since. Open files stay open.
  void restore();

 private:
  struct Raised {
    std::uint64_t from;
    std::uint64_t to;
    bool first;  // no other one had raised it
  };
  std::optional<Raised> raised_;
};

}  // namespace handoff::io
