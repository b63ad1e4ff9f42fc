// The board of an heir's lanes.
#pragma once

#include <string>

#include "libhandoff/handoff/board.h"

namespace handoff::io {

struct HeirOrders {
  enum class Order : std::uint8_t {
    kReceive,  // apply what comes
    kReadOut,  // the donor has died: the same to the channels' end
    kRestore,  // it is complete: restore and arm what is not yet
    kRun,      // the sockets are ours
    kGo,       // drop everything
  };
  Order order = Order::kReceive;
  bool give_up = false;     // kRestore: what has not ended counts as refused
  bool keep = false;        // kRun: the donor died in mid-copy, keep what has not moved
  bool donor_gone = false;  // kRun: it has exited, whenever
  std::string why = {};     // kGo
};

struct HeirStanding : LaneReport {
  std::uint32_t round = 0;  // that has come whole
  bool prepared = false;    // all of the delta has come
  bool read_out = false;
  bool restored = false;
  bool running = false;
  std::uint64_t sessions = 0;
  std::vector<protocol::Refusal> refusals = {};  // that lane 0 has not taken yet
  std::uint64_t refused = 0;                     // sessions that are here and not taken
  std::uint64_t refused_in_all = 0;
  std::uint64_t came = 0;
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> lost_ids = {};
};

using HeirBoard = Board<HeirOrders, HeirStanding>;

}  // namespace handoff::io
