// A channel of the handoff, and what the heir receives over it: sessions, and the ring that large
// frames lie in.
//
// What the service has once comes by line 0, the main channel, and is its driver's: handoff/
// heir_driver.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libhandoff/copy/rehearsal.h"
#include "libhandoff/copy/ring_receiver.h"
#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/protocol/channel.h"

namespace handoff::io {

class HeirLine {
 public:
  // Borrows rehearsal: what is found out is noted there.
  HeirLine(Registry& registry, Channel channel, Rehearsal* rehearsal)
      : channel_(std::move(channel)), rehearsal_(rehearsal), received_(registry, rehearsal) {}
  HeirLine(const HeirLine&) = delete;
  HeirLine& operator=(const HeirLine&) = delete;

  Channel& channel() { return channel_; }
  const Channel& channel() const { return channel_; }

  // The messages Sessions, Ring, CopyEnd and LanePrepare; any other is an Error.
  Result<void> apply(Channel::Message& message);
  // All of the delta has come, with this checksum. what: the message that says so.
  Result<void> prepare(const char* what, std::uint64_t checksum);
  // Acknowledges what has come: now, or if so much has come since that an Ack is due.
  void acknowledge(bool now);
  // The sessions are this lane's own.
  // Idempotent.
  void adopt(bool donor_gone);

  // The round that has come whole; 0 for none.
  std::uint32_t round() const { return round_; }
  bool prepared() const { return prepared_; }
  // Of this line; adopt() does not change the number.
  std::uint64_t sessions() const { return adopted_.value_or(received_.sessions()); }
  SessionReceiver& received() { return received_; }
  const SessionReceiver& received() const { return received_; }
  RingReceiver& ring() { return ring_; }
  // nullptr if this is none.
  Rehearsal* rehearsal() { return rehearsal_; }

 private:
  Result<void> end_round(std::string_view body);
  Result<void> end_delta(std::string_view body);

  Channel channel_;
  Rehearsal* rehearsal_;
  RingReceiver ring_;
  SessionReceiver received_;
  std::uint32_t round_ = 0;
  std::uint64_t acknowledged_ = 0;
  bool prepared_ = false;
  std::optional<std::uint64_t> adopted_;
};

}  // namespace handoff::io
