// A control group with a limit of memory, below the test's own: of version 2, or of the memory
// controller of version 1. Only who may write to the test's own group can make one (root, or whom
// it was delegated to).
#pragma once

#include <cstdint>
#include <string>

namespace handoff::test {

class MemoryGroup {
 public:
  // Throws if it may not; why is in the words.
  MemoryGroup();
  // Ends what is in it, and removes it.
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // A line for a shell that then executes a program: the program and all that it starts are in the
  // group.
  std::string join() const;
  void limit(std::uint64_t bytes) const;
  // What is taken now, but for the files that are given back when memory is short.
  std::uint64_t used() const;
  // How many processes the kernel has ended here for want of memory.
  std::uint64_t killed() const;
  // As /proc/PID/cgroup names it.
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::string folder_;
  bool old_ = false;  // version 1
};

}  // namespace handoff::test
