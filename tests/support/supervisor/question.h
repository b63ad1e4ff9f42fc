// A question for the status, asked as `handoff status` asks it, without a process for each. Nothing
// here waits, since the supervisor may be stopped, or wait at a failpoint.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {

class Question {
 public:
  explicit Question(const std::string& runtime);

  // Readable when there is something for services().
  int fd() const { return fd_.get(); }
  // The services in the answer; null if nobody answers; nullopt while the answer is not complete.
  // An answer is complete once the supervisor has closed the connection: then it has no fd for it.
  std::optional<nlohmann::json> services();

 private:
  UniqueFd fd_;
  std::string text_;
};

}  // namespace handoff::test
