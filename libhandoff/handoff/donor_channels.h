// The channels of one lane of a donor but the main one, with a copier for each: what this lane has
// goes over by them, on its own thread, while others do the same. Lane 0 decides when; handoff/lane
// and handoff/donor_lanes ask.
//
// Of the heir's frames only Acks come here. EOF is no event: the main channel and the pidfd say
// what became of the heir.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "libhandoff/copy/copier.h"
#include "libhandoff/core/lanes.h"
#include "libhandoff/core/pace.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/channel_set.h"

namespace handoff::io {

class DonorChannels : public SessionObserver {
 public:
  struct Part {
    core::Share share;
    Channel channel;
  };
  // main: the copier of the main channel, if this is its lane; it has the share that is left.
  static Result<std::unique_ptr<DonorChannels>> make(Registry& registry, std::vector<Part> parts,
                                                     const Copier::Terms& terms, bool rehearsal,
                                                     Copier* main);
  ~DonorChannels() override;
  DonorChannels(const DonorChannels&) = delete;
  DonorChannels& operator=(const DonorChannels&) = delete;

  // Readable when turn() has something to do.
  int fd() const { return set_.fd(); }
  // From here on it is on its lane's thread.
  Result<void> begin(Copier::Round round);
  // Hears the Acks and sends what there is room for, at most so many frames a channel. True: there
  // is more to send at once.
  Result<bool> turn(core::Pace::Turn turn);
  // The round is sent, whole.
  bool sent() const;
  // No more changes are noted.
  void stop_watching();

  std::uint64_t dirty() const;
  std::uint64_t at_heir() const;
  std::uint64_t sessions_sent() const;
  std::uint64_t bytes() const;
  std::uint64_t frames_sent() const;
  // As Copier::staying().
  std::vector<std::uint64_t> staying() const;
  // Grows with each sign of life of the heir.
  std::uint64_t signs() const { return signs_; }
  // Of a rehearsal: all that was found out so far.
  protocol::Rehearsed notes() const;

  void session_changed(std::uint64_t id, SessionEntry& entry) override;
  void session_closed(std::uint64_t id, const SessionEntry& entry) override;

 private:
  struct Line {
    Line(Registry& registry, Part part, bool rehearsal);
    core::Share share;
    Channel channel;
    std::optional<Rehearsal> rehearsal;  // before copier, which notes into it
    Copier copier;
    bool sent = false;
    bool closed = false;
  };

  DonorChannels(Registry& registry, ChannelSet set, Copier* main)
      : registry_(registry), set_(std::move(set)), main_(main) {}
  Result<void> read(Line& line);
  // True: the frames are used up, and there is room for more.
  Result<bool> pump(Line& line, core::Pace::Turn turn);
  Copier* copier_of(std::uint64_t id);

  Registry& registry_;
  ChannelSet set_;
  Copier* main_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::uint64_t signs_ = 0;
};

}  // namespace handoff::io
