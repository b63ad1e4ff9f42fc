// Listeners that have moved to another address: nobody is to come any more, and who waits in the
// queue of the old one is still accepted, by the process that serves.
//
// New connections are turned away first: of TCP by a filter that drops each SYN, of a Unix socket
// by the end of its path. Handshakes that are under way are waited for, as long as the kernel takes
// to send what was lost once more, and again. Once the queue has been empty for that time, or
// nobody has emptied it in time, shutdown(2) tells the process: its accept(2) says EINVAL, and a
// client whose SYN was dropped is refused when it tries again. Other sockets are not shut down,
// since a loop that watches them would spin: a Unix socket without its path is one that nobody gets
// to, and what has no path (UDP, an abstract address) is served until the process is replaced.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/listeners/listener.h"
#include "supervisor/loop/handles.h"

namespace handoff::supervisor {

class ListenerEnds {
 public:
  // Linux sends a SYN-ACK again after 1 s, and after 2 s more.
  static constexpr Duration kHandshakes = std::chrono::seconds(4);
  static constexpr Duration kPatience = std::chrono::seconds(30);
  static constexpr Duration kLook = std::chrono::milliseconds(100);

  // handshakes: how long they are waited for. ended: one of all() is not among them any more.
  ListenerEnds(uv_loop_t* loop, std::string service, Duration handshakes = kHandshakes,
               std::function<void()> ended = nullptr);

  void end(Listener listener);
  // Listeners that have not ended yet.
  std::vector<const Listener*> all() const;
  // One of that name at that address which would end: it takes connections again. nullopt if there
  // is none, or if nobody would get to it any more.
  std::optional<Listener> take_back(const NamedAddress& wanted);
  bool has(const NamedAddress& wanted) const;

 private:
  struct Ending {
    Listener listener;
    Time begun;
    Time waited;  // somebody waited in its queue then, or it was begun
  };
  void look();

  std::string service_;
  Duration handshakes_;
  std::function<void()> ended_;
  std::vector<Ending> endings_;
  Timer timer_;
};

}  // namespace handoff::supervisor
