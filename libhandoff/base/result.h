// What a call that can fail returns: the value, or what went wrong with what.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace handoff {

struct Error {
  int code = 0;         // -errno, or one of HANDOFF_ERR_*
  std::string message;  // what happened to what, and what to do, for a person

  // Makes "WHAT: No such file or directory" of an errno value.
  static Error from_errno(int error, std::string what) {
    what += ": ";
    what += std::strerror(error);  // glibc's is thread-safe
    return {-error, std::move(what)};
  }
};

// A tl::expected that is [[nodiscard]]: the compiler complains about a result that nobody looks at.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  using tl::expected<T, Error>::operator=;
  Result(tl::expected<T, Error> other) : tl::expected<T, Error>(std::move(other)) {}  // of map()
};

using Failure = tl::unexpected<Error>;

inline Failure fail(int code, std::string message) {
  return Failure(Error{code, std::move(message)});
}
// A failure made of the current errno: "WHAT: No such file or directory".
inline Failure fail_errno(std::string what) {
  return Failure(Error::from_errno(errno, std::move(what)));
}

}  // namespace handoff
