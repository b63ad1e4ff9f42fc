// The lines of one lane of an heir: what comes by them is restored on this lane's thread, while
// other lanes do the same. Lane 0 decides when; handoff/lane and handoff/heir_lanes ask.
//
// Lane 0's first line is the main channel. Its driver watches and reads it, since what comes by it
// is for the machine.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/handoff/heir_line.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/channel_set.h"

namespace handoff::io {

class HeirChannels {
 public:
  explicit HeirChannels(Registry& registry) : registry_(registry) {}
  HeirChannels(const HeirChannels&) = delete;
  HeirChannels& operator=(const HeirChannels&) = delete;

  // Lane 0's, before any other. Borrows rehearsal, which may be nullptr.
  void add_main(Channel channel, Rehearsal* rehearsal);
  HeirLine& main() { return *lines_.front(); }
  const HeirLine& main() const { return *lines_.front(); }
  Result<void> add(std::vector<Channel> channels, const std::vector<DonorKind>& kinds,
                   bool rehearsal, bool may_refuse);

  // Readable when receive() has something to do; none if the main channel is all there is.
  std::optional<int> fd() const;
  // Applies what has come by other lines than the main channel, and acknowledges it.
  Result<void> receive();
  // Of a dead donor: as receive(), but also behind a frame that can't be applied. The first Error.
  Result<void> read_out();
  // The round that is complete on all of them; 0 for none.
  std::uint32_t round() const;
  // All of the delta has come by all of them.
  bool prepared() const;

  Result<void> restore();
  // As SessionReceiver.
  Result<void> answered(const Told::Answer& answer);
  std::uint64_t pending() const;
  Result<void> give_up_pending();
  // The donor died in mid-copy.
  void keep_unmoved();
  // The sessions are this lane's own. donor_gone: as SessionReceiver.
  void adopt(bool donor_gone);
  // The handoff failed.
  void drop();

  std::uint64_t sessions() const;
  std::uint64_t lost() const;
  std::vector<std::uint64_t> lost_ids() const;
  // As SessionReceiver.
  std::vector<protocol::Refusal> take_refused();
  std::uint64_t refused() const;
  std::uint64_t refused_in_all() const;
  std::uint64_t came() const;
  // Grows with every frame.
  std::uint64_t signs() const { return signs_; }
  // Of a rehearsal: all that was found out. A line that notes into `to` itself counts there.
  void add_notes(Rehearsal& to);

 private:
  struct Watched {
    HeirLine* line;
    bool ended = false;  // the donor has closed the channel, or it can't be read
  };
  Result<void> read(Watched& watched);

  Registry& registry_;
  std::vector<std::unique_ptr<Rehearsal>> rehearsals_;  // before lines_, which note into them
  std::vector<std::unique_ptr<HeirLine>> lines_;
  std::vector<Watched> watched_;  // of lines_, by set_
  std::optional<ChannelSet> set_;
  std::uint64_t signs_ = 0;
};

}  // namespace handoff::io
