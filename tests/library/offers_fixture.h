// The listeners that a supervisor, which is the test, offers to a service.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "libhandoff/sys/socket.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"

namespace handoff::test {

inline void announce(v1::Named& named, const std::string& name, int fd, std::uint32_t index) {
  const auto identity = io::identity_of(fd);
  named.set_name(name);
  named.set_address(*io::bound_address(fd));
  named.set_inode(identity->inode);
  named.set_device(identity->device);
  named.set_fd_index(index);
}

// Exit status 2: a call did something else than is expected here.
inline int must(bool so) {
  if (!so) std::_Exit(2);
  return 0;
}

class OffersFixture : public testing::Test {
 protected:
  OffersFixture() {
    start_.set_protocol_min(1);
    start_.set_protocol_max(1);
    start_.set_service("test");
    start_.set_generation(1);
  }

  v1::Start start_;
  UniqueFd a_ = listen_on_loopback();
  UniqueFd b_ = listen_on_loopback();
};

}  // namespace handoff::test
