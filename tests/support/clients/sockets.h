// Sockets on this host, for clients and for tests that play a service.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "libhandoff/base/unique_fd.h"
#include "support/process/deadline.h"

namespace handoff::test {

sockaddr_in loopback(int port);
// Throws if the path is too long for a sockaddr_un.
sockaddr_un unix_address(const std::string& path);

// A blocking connection; not valid, with errno set, if it is refused.
UniqueFd connect_tcp(int port);
UniqueFd connect_unix(const std::string& path, int type);
// Listens on a port that the kernel chooses. flags: SOCK_NONBLOCK, or none.
UniqueFd listen_on_loopback(int flags = 0);
UniqueFd listen_unix(const std::string& path, int type);
int port_of(int fd);

// Waits for room; throws if the peer has gone.
void send_all(int fd, std::string_view bytes);
// Everything to the end of the connection, or to its reset; throws at the deadline.
std::string read_to_end(int fd, Deadline deadline = Deadline::patience());

}  // namespace handoff::test
