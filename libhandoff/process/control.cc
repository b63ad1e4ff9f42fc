#include "libhandoff/process/control.h"

#include <utility>

namespace handoff::io {
namespace {

// In one turn of the loop, so that a supervisor that talks without end can't keep sessions waiting.
constexpr int kMessagesPerTurn = 16;

}  // namespace

void Control::open(ControlChannel channel, Reconnect reconnect) {
  channel_.emplace(std::move(channel));
  reconnect_ = std::move(reconnect);
}

void Control::send(protocol::Type type, std::string body, std::vector<UniqueFd> fds) {
  if (channel_) channel_->send(type, std::move(body), std::move(fds));
}

void Control::send_if_idle(protocol::Type type, std::string body) {
  if (channel_ && channel_->idle()) channel_->send(type, std::move(body));
}

void Control::listen() {
  if (!channel_) return;
  const bool closed = channel_->closed();
  if (closed) poller_.unwatch(Role::kControl);
  if (closed && !reconnect_.known()) return;
  if (closed && !away_) {
    away_ = true;
    registry_.log(HANDOFF_LOG_WARNING, "the supervisor is gone; serving on without it");
    reconnect_.plan(channel_->age());
  }
  const auto ok = away_ ? poller_.watch(Role::kReconnect, reconnect_.fd(), false)
                        : poller_.watch(Role::kControl, channel_->fd(), channel_->wants_write());
  if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
}

void Control::ignore() {
  if (!channel_) return;
  poller_.unwatch(Role::kControl);
  poller_.unwatch(Role::kReconnect);
}

void Control::read(const std::function<void(Channel::Message&)>& obey) {
  if (!channel_) return;
  channel_->flush();
  for (int i = 0; i < kMessagesPerTurn && !channel_->closed(); ++i) {
    Channel::Message message;
    const auto received = channel_->recv(message);
    if (!received) {
      // A broken message is not worth a session: whatever was meant is not obeyed.
      registry_.log(HANDOFF_LOG_ERROR, "from the supervisor: " + received.error().message);
      continue;
    }
    if (*received != Channel::Received::kMessage) break;
    obey(message);
  }
  listen();
}

void Control::connect(UniqueFd fd) {
  poller_.unwatch(Role::kReconnect);
  channel_.emplace(std::move(fd));
  away_ = false;
  registry_.log(HANDOFF_LOG_INFO, "a supervisor is there again");
}

}  // namespace handoff::io
