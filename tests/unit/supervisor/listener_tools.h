// Listeners as tests name, bind and show them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libhandoff/sys/socket.h"
#include "supervisor/listeners/listeners.h"

namespace handoff::supervisor {

inline NamedAddress named(const std::string& name, const std::string& address) {
  const auto parsed = core::parse_address(address);
  EXPECT_TRUE(parsed) << address;
  return {name, *parsed};
}
inline UniqueFd bound(const std::string& address) {
  auto fd = io::bind_address(*core::parse_address(address));
  EXPECT_TRUE(fd) << fd.error().message;
  return std::move(*fd);
}
inline std::string address_of(const UniqueFd& fd) { return io::bound_address(fd.get()).value(); }
inline UniqueFd copy_of(const UniqueFd& fd) {
  return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
}
// The fd as a service's report names it.
inline NamedFd shown(const std::string& name, const UniqueFd& fd) {
  const auto identity = io::identity_of(fd.get());
  NamedFd out{name, address_of(fd), identity->inode, identity->device};
  out.fd = copy_of(fd);
  return out;
}
inline std::vector<NamedFd> list(NamedFd one) {
  std::vector<NamedFd> out;
  out.push_back(std::move(one));
  return out;
}

}  // namespace handoff::supervisor
