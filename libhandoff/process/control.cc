#include "libhandoff/process/control.h"

#include <utility>

namespace handoff::io {
namespace {

// In one turn of the loop, so that a supervisor that talks without end can't keep sessions waiting.
constexpr int kMessagesPerTurn = 16;

}  // namespace

void Control::open(ControlChannel channel, Reconnect reconnect, Mailbox mailbox) {
  channel_.emplace(std::move(channel));
  reconnect_ = std::move(reconnect);
  mailbox_ = std::move(mailbox);
}

std::optional<UniqueFd> Control::attempt() {
  if (!away_) return std::nullopt;
  if (auto fd = mailbox_.take()) return fd;
  return reconnect_.attempt();
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
  if (closed && !reconnect_.known() && !mailbox_.known()) return;
  if (closed && !away_) {
    away_ = true;
    registry_.log(HANDOFF_LOG_WARNING, "the supervisor is gone; serving on without it");
    reconnect_.plan(channel_->age());
  }
  const auto watch = [this](Role role, int fd, bool write) {
    const auto ok = poller_.watch(role, fd, write);
    if (!ok) registry_.log(HANDOFF_LOG_ERROR, ok.error().message);
  };
  if (!away_) return watch(Role::kControl, channel_->fd(), channel_->wants_write());
  if (reconnect_.known()) watch(Role::kReconnect, reconnect_.fd(), false);
  if (mailbox_.known()) watch(Role::kMail, mailbox_.fd(), false);
}

void Control::ignore() {
  if (!channel_) return;
  poller_.unwatch(Role::kControl);
  poller_.unwatch(Role::kReconnect);
  poller_.unwatch(Role::kMail);
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
  poller_.unwatch(Role::kMail);
  channel_.emplace(std::move(fd));
  away_ = false;
  registry_.log(HANDOFF_LOG_INFO, "a supervisor is there again");
}

}  // namespace handoff::io
