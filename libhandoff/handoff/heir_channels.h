// The channels of one lane of an heir but the main one, with a receiver for each: what comes by
// them is restored on this lane's thread, while others do the same. Lane 0 decides when;
// handoff/lane and handoff/heir_lanes ask.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/copy/ring_receiver.h"
#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/channel_set.h"

namespace handoff::io {

class HeirChannels {
 public:
  // donor, versions: as for map_kinds().
  static Result<std::unique_ptr<HeirChannels>> make(Registry& registry,
                                                    std::vector<Channel> channels,
                                                    const core::Manifest& donor,
                                                    const std::vector<std::uint32_t>& versions,
                                                    bool rehearsal);

  // Readable when receive() has something to do.
  int fd() const { return set_.fd(); }
  // Applies what has come, and acknowledges it.
  Result<void> receive();
  // The round that is complete on all of them; 0 for none.
  std::uint32_t round() const;
  // All of the delta has come by all of them.
  bool prepared() const;

  Result<void> restore();
  // The donor died in mid-copy.
  void keep_unmoved();
  // The sessions are this lane's own.
  void adopt();
  // The handoff failed.
  void drop();

  std::uint64_t sessions() const;
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const;
  // Grows with everything that comes from the donor.
  std::uint64_t signs() const { return signs_; }
  // Of a rehearsal: all that was found out.
  protocol::Rehearsed notes();

 private:
  struct Line {
    Line(Registry& registry, Channel from, bool rehearses);
    Channel channel;
    std::optional<Rehearsal> rehearsal;  // before received, which notes into it
    RingReceiver ring;
    SessionReceiver received;
    std::uint32_t round = 0;
    std::uint64_t acknowledged = 0;
    bool prepared = false;
    bool closed = false;
  };

  explicit HeirChannels(ChannelSet set) : set_(std::move(set)) {}
  Result<void> read(Line& line);
  Result<void> apply(Line& line, Channel::Message& message);
  static void acknowledge(Line& line, bool now);

  ChannelSet set_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::uint64_t signs_ = 0;
};

}  // namespace handoff::io
