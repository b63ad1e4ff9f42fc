// A variable that has another value for the time of a scope.
#pragma once

#include <utility>

namespace handoff {

// The value before is back at the end of the scope, also when an exception ends it.
template <class T>
class ScopedValue {
 public:
  ScopedValue(T& what, T now) : what_(what), before_(std::exchange(what, std::move(now))) {}
  ~ScopedValue() { what_ = std::move(before_); }
  ScopedValue(const ScopedValue&) = delete;
  ScopedValue& operator=(const ScopedValue&) = delete;

 private:
  T& what_;
  T before_;
};

}  // namespace handoff
