// The bench's own helper processes: clients, and the two of the floor. Each is this program in
// another role. It speaks with the process that started it over a SEQPACKET socket: one message is
// one JSON object, perhaps with fds.
//
// A role reads orders and answers each with one message. It ends when the other side has gone.
#pragma once

#include <sys/types.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/base/unique_fd.h"

namespace bench {

struct Message {
  nlohmann::json body;
  std::vector<handoff::UniqueFd> fds;
};
void say(int socket, const nlohmann::json& body, const std::vector<int>& fds = {});
// nullopt if the other side has gone.
std::optional<Message> hear(int socket);

// The number of the fd at a role's end of the socket.
inline constexpr int kRoleSocket = 3;
using Role = int (*)();

class Partner {
 public:
  // cpu is the only processor that the partner may run on; -1 for any.
  explicit Partner(const std::string& role, int cpu = -1);
  ~Partner();  // closes the socket and waits for its end
  Partner(const Partner&) = delete;
  Partner& operator=(const Partner&) = delete;

  // An order and its answer; throws if the partner has died or answers {"error"}.
  Message ask(const nlohmann::json& order, const std::vector<int>& fds = {});
  void tell(const nlohmann::json& order, const std::vector<int>& fds = {});
  Message answer();
  pid_t pid() const { return pid_; }

 private:
  std::string role_;
  pid_t pid_ = -1;
  handoff::UniqueFd socket_;
};

}  // namespace bench
