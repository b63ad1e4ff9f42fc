// How a connection ends that is not worth its last bytes.
#include <sys/socket.h>
#include <unistd.h>

#include "libhandoff/poll/kit.h"

// An heir of the handoff under way has the socket open, and a donor may: SO_LINGER is all that
// close(2) needs where they have not. connect(2) to nobody dissolves the association of all.
void handoff_poll::abort(handoff_conn& c) {
  if (c.dead || c.making || c.frozen || over()) return;
  const int fd = c.fd;
  const linger now{1, 0};
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (::connect(fd, &nobody, sizeof nobody) < 0) (void)::shutdown(fd, SHUT_RDWR);
  leave(c);
  ::close(fd);
}
