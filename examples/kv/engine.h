// The server without its sockets: sessions come and go, requests go in, replies come out.
//
// Everything happens on one thread. The engine neither reads nor writes sockets and has no timers:
// next_event says when it wants to be called, waiting.take_released which sessions' input may go
// on.
#ifndef HANDOFF_EXAMPLES_KV_ENGINE_H
#define HANDOFF_EXAMPLES_KV_ENGINE_H

#include <map>
#include <string>

#include "channels.h"
#include "command.h"
#include "session.h"
#include "store.h"
#include "waiting_room.h"
#include "watches.h"

namespace kv {

Time monotonic_now();

class Engine {
 public:
  using Clock = Time (*)();
  // What INFO says of the process around the engine.
  struct Facts {
    std::uint64_t generation = 0;
    bool supervised = false;
    std::string address;
  };

  explicit Engine(Clock clock = &monotonic_now);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The engine knows a session from attach(), with all that its state says, to detach(). Borrows
  // it.
  void attach(Session& session);
  void detach(Session& session);
  const std::map<std::uint64_t, Session*>& sessions() const { return sessions_; }

  // Carries out one request. REQUIRES a session that does not wait, and args.
  void execute(Session& session, Args args);
  // Carries out one command: a request, or an entry of EXEC's queue.
  void run(const Command& command, Session& session, Args args, bool may_wait);

  // Does what is due: ends waits that are over, removes some of the expired keys.
  void tick();
  // When tick() has something to do; kNever if there is nothing.
  Time next_event() const;

  // When the first generation started with an empty store; kept across generations.
  Time started() const { return started_; }
  void set_started(Time at) { started_ = at; }
  Time now() const { return store.now(); }
  Time read_clock() { return clock_(); }

  Store store;
  Watches watches;
  Channels channels;
  WaitingRoom waiting;
  Facts facts;
  std::uint64_t commands_processed = 0;
  std::uint64_t connections_received = 0;  // by this generation

 private:
  // Why the command can't be carried out; empty if it can.
  std::string refusal(const Command* command, const Session& session, Args args) const;

  Clock clock_;
  Time started_;
  Time expiry_rests_until_ = kNever;
  std::map<std::uint64_t, Session*> sessions_;
};

}  // namespace kv

#endif  // HANDOFF_EXAMPLES_KV_ENGINE_H
