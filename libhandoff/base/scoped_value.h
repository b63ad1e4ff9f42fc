// Gives a variable another value for the time of a scope.
#pragma once

#include <utility>

namespace handoff {

// The destructor puts the value before back, so an exception can't leave the new one.
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
