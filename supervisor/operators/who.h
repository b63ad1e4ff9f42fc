// The asker of something, as the history tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

namespace handoff::supervisor {

struct Who {
  int uid = -1;  // -1: nobody knows
  // The user who has logged in, whatever user that is by now (su, sudo): /proc/PID/loginuid. It is
  // unset for what no login has begun.
  std::optional<std::uint32_t> login = std::nullopt;
};

// Of whoever has connected to this Unix socket.
Who peer_of(int socket);

// Adds "uid" and "login_uid", null where nobody knows.
void put_who(nlohmann::json& record, const Who& who);

}  // namespace handoff::supervisor
