#include "support/process/own_network.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
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

// IFA_F_NODAD: it may be bound at once.
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
  if (::send(kernel.get(), &request, sizeof request, 0) < 0) fail("adding an address");
  struct {
    nlmsghdr head;
    nlmsgerr result;
  } answer{};
  if (::recv(kernel.get(), &answer, sizeof answer, 0) < 0) fail("adding an address");
  if (answer.result.error != 0) fail("adding an address", -answer.result.error);
}

}  // namespace

void enter_own_network() {
  if (::unshare(CLONE_NEWNET) < 0) fail("only root can have a network of its own: unshare");
  bring_up();
  const std::string with_interface = kLinkLocal;
  add_address(with_interface.substr(0, with_interface.find('%')).c_str());
}

}  // namespace handoff::test
