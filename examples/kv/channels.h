// PUBLISH and SUBSCRIBE: the sessions that get a channel's messages.
#ifndef HANDOFF_EXAMPLES_KV_CHANNELS_H
#define HANDOFF_EXAMPLES_KV_CHANNELS_H

#include <string>
#include <string_view>
#include <vector>

#include "session.h"

namespace kv {

// The sessions of each channel. A session's state has the channels that it has subscribed to; this
// is the way back.
class Channels {
 public:
  void subscribe(Session& session, std::string_view channel);
  void unsubscribe(Session& session, std::string_view channel);
  // Returns how many sessions got the message.
  std::size_t publish(std::string_view channel, std::string_view message);
  std::size_t size() const { return sessions_.size(); }

  // Adds and removes a session with all its subscriptions.
  void attach(Session& session);
  void detach(Session& session);

 private:
  void remove(Session& session, std::string_view channel);
  StringMap<std::vector<Session*>> sessions_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_CHANNELS_H
