// tally on poll(2) and handoff.hpp alone: what handoff::uv does for its streams, done by hand.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <handoff/handoff.hpp>
#include <map>

#include "tally.h"

using handoff::SessionId;

struct Session {
  int fd = -1;
  std::int64_t total = 0;
  std::string input;   // read, not yet a line
  std::string output;  // answered, not yet taken by the kernel
};
std::map<SessionId, Session> sessions;
bool serving = true;

void declare(handoff::Service& service) {
  service.listener("public", "tcp:127.0.0.1:7002");
  service.on_save([](SessionId id) {
    const Session& session = sessions.at(id);
    handoff::Saved saved(std::to_string(session.total));
    saved.input = session.input;
    saved.output = session.output;
    return saved;
  });
  service.on_restore([](handoff::Adopted adopted) {
    sessions[adopted.id()] = {adopted.take_fd(), std::stoll(std::string(adopted.state())),
                              std::string(adopted.input()), std::string(adopted.output())};
  });
  service.on_drop([](SessionId id) { ::close(sessions.extract(id).mapped().fd); });
  service.on_retired([](std::uint64_t) { serving = false; });
  service.on_stop([](std::uint64_t) { serving = false; });
}

// False when the connection is over.
bool serve(Session& session) {
  char space[65536];
  const ssize_t n = ::recv(session.fd, space, sizeof space, MSG_DONTWAIT);
  if (n == 0) return false;
  if (n > 0) session.input.append(space, static_cast<std::size_t>(n));
  for (;;) {
    const std::size_t end = session.input.find('\n');
    if (end == std::string::npos) break;
    session.output += add(session.total, session.input.substr(0, end));
    session.input.erase(0, end + 1);
  }
  const ssize_t sent =
      ::send(session.fd, session.output.data(), session.output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) session.output.erase(0, static_cast<std::size_t>(sent));
  return true;
}

int main() {
  return handoff::run([] {
    auto service = handoff::Service::open({.name = "tally", .version = "1.0"});
    declare(*service);
    service->ready();  // restores; from here on everything is ours
    const int listener = service->named_fd("public");
    while (serving) {
      std::vector<pollfd> fds = {{service->fd(), POLLIN, 0}, {listener, POLLIN, 0}};
      std::vector<SessionId> ids;
      for (const auto& [id, session] : sessions) {
        const int wanted = session.output.empty() ? POLLIN : POLLIN | POLLOUT;
        fds.push_back({session.fd, static_cast<short>(wanted), 0});
        ids.push_back(id);
      }
      if (::poll(fds.data(), fds.size(), -1) < 0) continue;
      if (fds[0].revents != 0) {
        service->dispatch();
        continue;  // what poll() said may concern sockets that are ours no more
      }
      if (fds[1].revents != 0) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) sessions[service->session_open(fd)].fd = fd;
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (fds[i + 2].revents == 0 || serve(sessions.at(ids[i]))) continue;
        service->session_closed(ids[i]);  // before close(2)
        const int fd = sessions.extract(ids[i]).mapped().fd;
        ::shutdown(fd, SHUT_RDWR);  // the donor of a restored one may have it open yet
        ::close(fd);
      }
    }
    for (const auto& [id, session] : sessions) ::close(session.fd);
  });
}
