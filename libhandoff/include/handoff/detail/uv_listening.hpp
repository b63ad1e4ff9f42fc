// What Host::listen() of uv.hpp, which includes this, is told of a listener's sessions.
#ifndef HANDOFF_DETAIL_UV_LISTENING_HPP
#define HANDOFF_DETAIL_UV_LISTENING_HPP

#include <handoff/detail/uv_connection.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace handoff::uv {

using Create = std::function<std::unique_ptr<Stream>()>;
// state is what save() gave, converted to this release's version; valid during the call. After an
// exception or nullptr this session is not taken: handoff_callbacks::restore() says what becomes
// of it.
using Restore = std::function<std::unique_ptr<Stream>(std::string_view state)>;

struct ListenOptions {
  // The kind of its sessions, by which they are restored: no two listeners of a Host may share
  // one. Left empty, the kind has the listener's name. It is the one that Service::kind() has
  // declared under that name, with versions and steps of its own, or else one with those of the
  // kind "session" (handoff_listener_kind()). Any other than "session" must be declared.
  //
  // A build from before listeners had kinds says "session" for the sessions of all of them. They
  // go to the only listener. Where there are several, one has to say kind = "session" to get
  // them, and then each of the others a kind, too.
  std::string kind = {};
  bool independent = false;  // HANDOFF_SESSION_INDEPENDENT for all its sessions
};

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_LISTENING_HPP
