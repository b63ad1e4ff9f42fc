// What a kit keeps of a listener and of a connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "handoff/detail/ending.hpp"
#include "handoff/poll.h"
#include "libhandoff/poll/ops.h"

namespace handoff::poll {

inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

struct Listener {
  Listener(std::string name_, std::string kind_, bool by_itself_, const handoff_conn_ops& given,
           void* context_)
      : name(std::move(name_)),
        kind(std::move(kind_)),
        by_itself(by_itself_),
        ops(given),
        upstream(given.upstream == nullptr ? handoff_conn_ops{} : copy_of(*given.upstream)),
        pairs(given.upstream != nullptr),
        context(context_) {
    ops.upstream = nullptr;  // the author's
  }

  std::string name;
  std::string kind;
  bool by_itself;  // the kind goes by the listener's name
  handoff_conn_ops ops;
  handoff_conn_ops upstream;  // of the second connection, if pairs
  bool pairs;                 // its sessions have two connections
  void* context;
  int fd = -1;
  bool rests = false;     // not watched for a moment, since there were no fds to accept with
  bool earlier = false;   // at another address of that name; fd is the kit's
  bool outgoing = false;  // no listener: connections that the service opens itself
  handoff_conn_layer layer = {};  // without an input() there is none
  void* layer_context = nullptr;

  bool has_layer() const { return layer.input != nullptr; }
};

inline constexpr handoff_conn_layer kNoLayer{};

}  // namespace handoff::poll

// Created by an accept, by the service or by a restore, and owned by the kit. The second connection
// of a session belongs to the first: the session's id, user and end are the first's.
struct handoff_conn {
  handoff_conn(handoff_poll* kit_, handoff::poll::Listener* of_, std::uint64_t id_)
      : kit(kit_), of(of_), id(id_) {}

  handoff_poll* kit;
  handoff::poll::Listener* of;
  void* user = nullptr;
  void* layer_user = nullptr;
  std::uint64_t id;  // of the session
  int fd = -1;
  std::uint32_t watched = 0;   // the epoll events asked for now
  bool making = false;         // in save() or restore()
  bool closing = false;        // no more input; ends when the output is sent
  bool parting = false;        // ops.closing() was called
  bool in_last_words = false;  // in closing() of the layer
  bool last_words = false;     // they are said
  bool close_asked = false;    // meanwhile
  bool ended = false;          // the peer has ended its half
  bool told_end = false;       // ended() was called
  bool connecting = false;     // neither connected nor refused yet
  bool shut_wanted = false;    // the sending half ends when the output is sent
  bool shut = false;           // it has ended
  bool dead = false;           // over; waits to be destroyed
  bool refused = false;        // opened() did not want it
  bool queued = false;         // in the kit's list of connections to flush
  bool touched = false;
  bool inherited = false;  // from another process, which may still have the socket open
  bool paused = false;
  bool held = false;             // by the author
  bool layer_holds = false;      // by the layer
  bool looks = false;            // the layer is to be asked, also without input
  bool frozen = false;           // on its way to or from another process: not to be touched
  bool is_second = false;        // the upstream
  bool placed = false;           // of a second: its name is held for it, see hold_place()
  int refusal = 0;               // an errno that refused() is to be told of
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
  bool fresh = false;                             // opened() has yet to come, after a death
  bool unstored = false;                          // has changed since the vault had it
  bool store_again = false;                       // the vault wants it once all output is sent
  handoff_conn* mate = nullptr;                   // the other connection of the session
  std::unique_ptr<handoff_conn> second;           // of a first, where the kind has two

  const handoff_conn_ops& ops() const { return is_second ? of->upstream : of->ops; }
  // An upstream has none.
  const handoff_conn_layer& layer() const {
    return is_second ? handoff::poll::kNoLayer : of->layer;
  }
  std::size_t output_size() const { return output.size() - sent; }
  handoff_conn& first() { return is_second ? *mate : *this; }
  const handoff_conn& first() const { return is_second ? *mate : *this; }
  // There is something for an upstream that has no socket yet.
  bool waits_for_socket() const {
    return fd < 0 && (connecting || shut_wanted || output_size() > 0);
  }
  handoff::detail::EndState<handoff_conn> end_state() const {
    return {.fd = fd,
            .mate = mate,
            .is_second = is_second,
            .connecting = connecting,
            .closing = closing,
            .ended = ended,
            .told_end = told_end,
            .shut = shut,
            .inherited = inherited,
            .dead = dead,
            .output = output_size()};
  }
  void set_shut() { shut = shut_wanted = true; }
};
