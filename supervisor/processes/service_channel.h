// The supervisor's end of a control socket: frames out in order, never waiting for a service that
// hangs; frames in, decoded.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "libhandoff/protocol/channel.h"
#include "supervisor/loop/handles.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::supervisor {

class ServiceChannel {
 public:
  static constexpr std::size_t kMaxQueued = 64;
  // A service that talks all the time is heard so much a turn, and then others are for a while.
  static constexpr std::size_t kMessagesATurn = 32;
  static constexpr Duration kRest = std::chrono::milliseconds(10);
  // Over what a socket can hold.
  static constexpr std::size_t kAllThatFits = 1024;

  struct Callbacks {
    std::function<void(Heard)> heard;
    // The peer has closed it, or broke the protocol ("" for the former). Comes once, and last.
    std::function<void(std::string why)> closed;
  };

  ServiceChannel(uv_loop_t* loop, UniqueFd fd, Generation generation, Callbacks callbacks);

  // Sends, or queues (with duplicates of the fds) if the socket is full. false: it never will be.
  bool send(protocol::Type type, std::string body, std::span<const int> fds = {});
  // Takes everything that was there to be read.
  void drain() { (void)take(kAllThatFits); }
  bool open() const { return open_; }

 private:
  struct Queued {
    protocol::Type type{};
    std::string body;
    std::vector<UniqueFd> fds;
  };

  void ready(int events);
  void flush();
  bool take(std::size_t messages);
  bool once(protocol::Type type, const Heard& heard);
  void watch(int events);
  void close(const std::string& why);

  io::Channel channel_;
  Generation generation_;
  Callbacks callbacks_;
  std::deque<Queued> queue_;
  bool open_ = true;
  bool gone_ = false;  // nobody reads what we send
  bool draining_ = false;
  std::unique_ptr<Poll> poll_;  // goes before channel_ does
  Timer retry_;                 // fds in flight: no event tells when there are fewer
  Timer rest_;                  // until then nothing is read
  bool resting_ = false;
  std::set<protocol::Type> said_;  // of those that a connection has once
};

}  // namespace handoff::supervisor
