#include "support/process/own_network.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "libhandoff/base/unique_fd.h"

namespace handoff::test {
namespace {

[[noreturn]] void fail(const std::string& what, int error = errno) {
  throw std::system_error(error, std::generic_category(), what);
}

void bring_up() {
  const UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::string("lo").copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(any.get(), SIOCSIFFLAGS, &request) < 0) fail("bringing lo up");
}

// True if `message` says that the kernel has a route to `address`, which is this host's own.
bool is_local_route(const nlmsghdr* message, const in6_addr& address) {
  if (message->nlmsg_type != RTM_NEWROUTE) return false;
  const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(message));
  if (route->rtm_type != RTN_LOCAL || route->rtm_dst_len != 128) return false;
  auto left = RTM_PAYLOAD(message);
  for (const auto* attribute = RTM_RTA(route); RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == RTA_DST)
      return std::memcmp(RTA_DATA(attribute), &address, sizeof address) == 0;
  }
  return false;
}

// Waits for the answer to a request and for the route to `address`. The kernel adds the route on a
// worker after it has answered (net/ipv6/addrconf.c, addrconf_dad_work): a client that connects
// before that is told EHOSTUNREACH after a second.
void await_route(int kernel, const in6_addr& address) {
  for (bool answered = false, routed = false; !answered || !routed;) {
    alignas(nlmsghdr) std::array<char, 8192> buffer;
    const ssize_t size = ::recv(kernel, buffer.data(), buffer.size(), 0);
    if (size < 0) fail("waiting for the route to an address");
    auto left = static_cast<unsigned>(size);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      routed = routed || is_local_route(message, address);
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      if (error != 0) fail("adding an address", -error);
      answered = true;
    }
  }
}

// Adds an address to lo, which may be bound (IFA_F_NODAD) and connected to at once.
void add_address(const char* text) {
  struct {
    nlmsghdr head;
    ifaddrmsg address;
    rtattr local;
    in6_addr value;
  } request{};
  request.head = {.nlmsg_len = sizeof request,
                  .nlmsg_type = RTM_NEWADDR,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
                  .nlmsg_seq = 1,
                  .nlmsg_pid = 0};
  request.address = {.ifa_family = AF_INET6,
                     .ifa_prefixlen = 64,
                     .ifa_flags = IFA_F_NODAD,
                     .ifa_scope = 0,
                     .ifa_index = ::if_nametoindex("lo")};
  request.local = {.rta_len = sizeof request.local + sizeof request.value, .rta_type = IFA_LOCAL};
  if (::inet_pton(AF_INET6, text, &request.value) != 1) fail(text, EINVAL);
  const UniqueFd kernel(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  const sockaddr_nl routes{
      .nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = RTMGRP_IPV6_ROUTE};
  if (::bind(kernel.get(), reinterpret_cast<const sockaddr*>(&routes), sizeof routes) < 0)
    fail("listening for routes");
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  if (::setsockopt(kernel.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
    fail("SO_RCVTIMEO");
  if (::send(kernel.get(), &request, sizeof request, 0) < 0) fail("adding an address");
  await_route(kernel.get(), request.value);
}

}  // namespace

void enter_own_network() {
  if (::unshare(CLONE_NEWNET) < 0) fail("only root can have a network of its own: unshare");
  bring_up();
  const std::string with_interface = kLinkLocal;
  add_address(with_interface.substr(0, with_interface.find('%')).c_str());
}

}  // namespace handoff::test
