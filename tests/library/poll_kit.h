// A service with a kit of poll.h.
#pragma once

#include <string>

#include "handoff/poll.h"

namespace handoff::test {

struct PollKit {
  explicit PollKit(const std::string& version = "1") {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "test";
    options.version = version.c_str();
    if (handoff_open(&service, &options) == 0) (void)handoff_poll_open(&kit, service, nullptr);
  }
  ~PollKit() {
    handoff_poll_close(kit);
    handoff_close(service);
  }
  PollKit(const PollKit&) = delete;
  PollKit& operator=(const PollKit&) = delete;
  // Serves to the end. The exit status: 0, 3 in an heir whose handoff failed, 2 for an error.
  int run() const {
    const int result = handoff_poll_run(kit);
    if (result == 0) return 0;
    return result == HANDOFF_ERR_ABORTED ? 3 : 2;
  }

  handoff_t* service = nullptr;
  handoff_poll_t* kit = nullptr;  // NULL where it could not be opened
};

}  // namespace handoff::test
