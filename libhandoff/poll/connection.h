// What a kit keeps of a listener and of a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "handoff/poll.h"

namespace handoff::poll {

inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

struct Listener {
  std::string name;
  std::string kind;
  bool by_itself;  // the kind goes by the listener's name
  handoff_conn_ops ops;
  void* context;
  int fd = -1;
  bool rests = false;     // not watched for a moment, since there were no fds to accept with
  bool earlier = false;   // at another address of that name; fd is the kit's
  bool outgoing = false;  // no listener: connections that the service opens itself
  handoff_conn_layer layer = {};  // without an input() there is none
  void* layer_context = nullptr;

  bool has_layer() const { return layer.input != nullptr; }
};

}  // namespace handoff::poll

// Created by an accept or by a restore, and owned by the kit.
struct handoff_conn {
  handoff_poll* kit = nullptr;
  handoff::poll::Listener* of = nullptr;
  void* user = nullptr;
  void* layer_user = nullptr;
  std::uint64_t id = 0;
  int fd = -1;
  std::uint32_t watched = 0;  // the epoll events asked for now
  bool making = false;        // in save() or restore()
  bool closing = false;       // no more input; ends when the output is sent
  bool ended = false;         // the client has ended its half
  bool connecting = false;    // neither connected nor refused yet
  bool shut_wanted = false;   // by a donor on uv.hpp: the sending half ends with the output
  bool shut = false;          // it has ended
  bool dead = false;          // over; waits to be destroyed
  bool refused = false;       // opened() did not want it
  bool queued = false;        // in the kit's list of connections to flush
  bool touched = false;
  bool inherited = false;  // from another process, which may still have the socket open
  bool paused = false;
  bool held = false;             // by the author
  bool layer_holds = false;      // by the layer
  bool looks = false;            // the layer is to be asked, also without input
  bool frozen = false;           // on its way to or from another process: not to be touched
  std::size_t saved_output = 0;  // frozen: how many bytes of the output go along
  std::string input;             // read, not consumed
  std::size_t seen = 0;          // of input, what ops.input() has had
  std::string output;            // produced; sent of it is accepted by the kernel
  std::size_t sent = 0;
  // How many bytes came before input and output since this process has the session: their
  // positions, so that an heir is sent no byte twice.
  std::uint64_t input_from = 0;
  std::uint64_t output_from = 0;
  std::size_t opening = handoff::poll::kNowhere;  // in the kit's list of that name

  const handoff_conn_ops& ops() const { return of->ops; }
  const handoff_conn_layer& layer() const { return of->layer; }
  std::size_t output_size() const { return output.size() - sent; }
};
