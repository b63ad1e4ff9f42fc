// The control socket for the life of a process. Supervisors come and go: when one has closed its
// end, the process serves on, and connects to the next one.
//
// The poller reports kControl for read(), and kReconnect and kMail for attempt().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/process/control_channel.h"
#include "libhandoff/process/mailbox.h"
#include "libhandoff/process/reconnect.h"
#include "libhandoff/service/registry.h"
#include "libhandoff/sys/poller.h"

namespace handoff::io {

class Control {
 public:
  // Logs to the registry.
  Control(const Registry& registry, Poller& poller) : registry_(registry), poller_(poller) {}
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // As Start gave them. A process without a supervisor never opens the socket; then every call here
  // does nothing.
  void open(ControlChannel channel, Reconnect reconnect, Mailbox mailbox);
  bool opened() const { return channel_.has_value(); }

  // Queues. What does not fit into the socket goes out after the next listen().
  void send(protocol::Type type, std::string body, std::vector<UniqueFd> fds = {});
  // Leaves the message out if others wait already; the next one of its kind says more.
  void send_if_idle(protocol::Type type, std::string body);

  // Waits for what the supervisor says, and for room; if its end is closed, for the next attempt.
  void listen();
  // Waits for nothing: words of the supervisor stay in the socket.
  void ignore();
  // Sends what waits, and takes up to 16 messages.
  void read(const std::function<void(Channel::Message&)>& obey);

  // The socket to the next supervisor, from the mailbox or from the path; nullopt if there is none
  // yet, or if one is there already.
  std::optional<UniqueFd> attempt();
  // An attempt that found a supervisor is of no use: plans another.
  void put_off() { reconnect_.plan(0); }
  // Forgets what was queued for the supervisor before.
  void connect(UniqueFd fd);

 private:
  const Registry& registry_;
  Poller& poller_;
  std::optional<ControlChannel> channel_;
  Reconnect reconnect_;
  Mailbox mailbox_;
  bool away_ = false;  // the socket is closed, and an attempt is planned
};

}  // namespace handoff::io
