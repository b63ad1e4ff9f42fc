// PUBLISH and SUBSCRIBE.
#ifndef HANDOFF_EXAMPLES_KV_CHANNELS_H
#define HANDOFF_EXAMPLES_KV_CHANNELS_H

#include <string>
#include <string_view>
#include <vector>

#include "session.h"

namespace kv {

// To what a session has subscribed stands in its state; this is the way from the channel to the
// sessions.
class Channels {
 public:
  void subscribe(Session& session, std::string_view channel);
  void unsubscribe(Session& session, std::string_view channel);
  // Returns how many have got it.
  std::size_t publish(std::string_view channel, std::string_view message);
  std::size_t size() const { return sessions_.size(); }

  // A session that came or goes with its subscriptions.
  void attach(Session& session);
  void detach(Session& session);

 private:
  void remove(Session& session, std::string_view channel);
  StringMap<std::vector<Session*>> sessions_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_CHANNELS_H
