// A question for the status, put as `handoff status` puts it and without a process for each.
// Nothing here waits: the supervisor may be stopped, or wait at a failpoint.
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
  // The services in the answer; null if nobody answers; nullopt if it is not all there yet. It is
  // when the supervisor has closed the connection: its fds are what they were before the question.
  std::optional<nlohmann::json> services();

 private:
  UniqueFd fd_;
  std::string text_;
};

}  // namespace handoff::test
