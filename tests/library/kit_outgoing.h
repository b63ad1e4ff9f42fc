// One service whose only session is a connection that it has opened itself, over each layer that
// owns connections.
#pragma once

#include <ostream>
#include <string>

namespace handoff::test {

struct OutgoingOptions {
  std::string version = "1";
  std::string upstream = "tcp:127.0.0.1:1";
  std::string adopts = {};  // a Unix listener: in place of connecting by the library
};

// Generation 1 connects. The session says its version when it is connected, and "VERSION LINE" to
// each line; "hold" and "release" are done, and "again" tries to open another one and says the
// error, as on_closed() and on_moved() do. The exit status: 0, 2 for an error, 3 in an heir whose
// handoff failed, 4 where something was not refused that should be; 42 if nobody listens, 43 for
// another refusal.
int run_outgoing_on_uv(const OutgoingOptions& options);
int run_outgoing_on_poll(const OutgoingOptions& options);
int run_outgoing_on_asio(const OutgoingOptions& options);

// A donor's layer and an heir's.
struct OutgoingLayers {
  const char* name;
  int (*donor)(const OutgoingOptions&);
  int (*heir)(const OutgoingOptions&);
};
inline void PrintTo(const OutgoingLayers& layers, std::ostream* out) { *out << layers.name; }
inline constexpr OutgoingLayers kOutgoingLayers[] = {
    {"Uv", run_outgoing_on_uv, run_outgoing_on_uv},
    {"Poll", run_outgoing_on_poll, run_outgoing_on_poll},
    {"Asio", run_outgoing_on_asio, run_outgoing_on_asio},
    {"UvToPoll", run_outgoing_on_uv, run_outgoing_on_poll},
    {"PollToUv", run_outgoing_on_poll, run_outgoing_on_uv},
    {"UvToAsio", run_outgoing_on_uv, run_outgoing_on_asio},
    {"AsioToUv", run_outgoing_on_asio, run_outgoing_on_uv},
};

}  // namespace handoff::test
