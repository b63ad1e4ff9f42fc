#include "channels.h"

namespace kv {

void Channels::subscribe(Session& session, std::string_view channel) {
  const auto [name, fresh] = session.state.channels.emplace(channel);
  if (fresh) sessions_[*name].push_back(&session);
}

void Channels::unsubscribe(Session& session, std::string_view channel) {
  const auto it = session.state.channels.find(channel);
  if (it == session.state.channels.end()) return;
  remove(session, channel);
  session.state.channels.erase(it);
}

std::size_t Channels::publish(std::string_view channel, std::string_view message) {
  const auto it = sessions_.find(channel);
  if (it == sessions_.end()) return 0;
  std::size_t receivers = 0;
  for (Session* session : it->second) {
    if (session->connection.is_ending()) continue;
    session->reply.array(3);
    session->reply.bulk("message");
    session->reply.bulk(channel);
    session->reply.bulk(message);
    ++receivers;
  }
  return receivers;
}

void Channels::attach(Session& session) {
  for (const std::string& channel : session.state.channels) sessions_[channel].push_back(&session);
}

void Channels::detach(Session& session) {
  for (const std::string& channel : session.state.channels) remove(session, channel);
}

void Channels::remove(Session& session, std::string_view channel) {
  const auto it = sessions_.find(channel);
  if (it == sessions_.end()) return;
  std::erase(it->second, &session);
  if (it->second.empty()) sessions_.erase(it);
}

}  // namespace kv
