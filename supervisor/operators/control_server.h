// Where operators come in: a stream socket, one JSON request a line, answers as JSON lines. A
// client that is slow, silent, talks nonsense or belongs to another user costs nobody but itself.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "libhandoff/base/unique_fd.h"
#include "supervisor/loop/handles.h"
#include "supervisor/operators/request.h"
#include "supervisor/operators/who.h"

namespace handoff::supervisor {

// One operator who waits for answers.
class Client {
 public:
  virtual ~Client() = default;
  virtual Who who() const = 0;
  virtual int fd() const = 0;
  virtual void send(const nlohmann::json& event) = 0;
  // The last one.
  virtual void finish(const nlohmann::json& answer) = 0;
};
// The operator may be gone any time; what he asked for goes on.
using ClientPtr = std::weak_ptr<Client>;
// The process that asks, or asked.
inline Who who_of(const ClientPtr& client) {
  const auto asking = client.lock();
  return asking ? asking->who() : Who{};
}

class ControlServer {
 public:
  static constexpr std::size_t kMaxRequest = 64 * 1024;
  static constexpr std::size_t kMaxUnsent = 1024 * 1024;
  // Of those that have asked for nothing yet. Who waits for an answer takes nobody's place, up to a
  // bound of their own; who comes beyond that hears it.
  static constexpr std::size_t kMaxClients = 64;
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr Duration kRequestWithin = std::chrono::seconds(10);

  using Serve = std::function<void(ClientPtr, const Request& request)>;

  // Takes fd, a listening Unix socket, or none for now. serve is called with requests that are
  // whole and valid; what it throws is the answer to that client, and goes no further.
  ControlServer(uv_loop_t* loop, UniqueFd fd, Serve serve);
  ~ControlServer();
  // A client who asked the supervisor before this one, and waits for the answer; null if it is
  // gone.
  ClientPtr adopt(UniqueFd fd);
  // In place of the one before; who is connected stays.
  void listen(UniqueFd fd);
  // The listening socket; -1 if there is none.
  int fd() const;
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  class Connection;
  void accept();
  std::size_t waiting() const;
  void make_room();

  uv_loop_t* loop_;
  Serve serve_;
  std::map<Connection*, std::shared_ptr<Connection>> connections_;
  std::uint64_t accepted_ = 0;
  Handle<uv_pipe_t> listener_;
};

}  // namespace handoff::supervisor
