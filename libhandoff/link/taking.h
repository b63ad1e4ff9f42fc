// One half of a link: the group of sessions that this process is given over it. core/taker decides
// what becomes of the group; this collects it, restores it, and adopts it or drops it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libhandoff/base/result.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/copy/session_receiver.h"
#include "libhandoff/core/manifest.h"
#include "libhandoff/core/taker.h"
#include "libhandoff/link/outbox.h"
#include "libhandoff/protocol/messages.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {

class Taking {
 public:
  Taking(Registry& registry, Outbox& outbox) : registry_(registry), outbox_(outbox) {}
  Taking(const Taking&) = delete;
  Taking& operator=(const Taking&) = delete;

  // A process is at the other end that was not there before. versions: of each of its kinds'
  // states, the one that it sends; 0: none.
  void begin(core::Manifest giver, std::vector<std::uint32_t> versions);

  void feed(core::TakerEvent event);
  // A frame of this half has left the outbox.
  void sent(protocol::Type type);
  // The giver's words. An Error: it breaks the protocol.
  Result<void> sessions(const protocol::GroupSessions& message, std::vector<UniqueFd>& fds);
  Result<void> prepare(const protocol::GroupPrepare& message);
  void release(const protocol::GroupRelease& message);
  void aborted(protocol::GroupAbort message);
  // Whatever it says: it may have closed its fds of the group before by now.
  void giver_speaks();
  // How a restore() has ended that was answered with HANDOFF_LATER.
  void answered(const Told::Answer& answer);
  // The giver has exited and all that it said is read: a group that is not whole stays so.
  void drop_rest();

  // The session is in the group that comes.
  bool has(std::uint64_t id) const { return received_ && received_->has(id); }
  bool idle() const { return taker_.idle(); }  // no group is under way

 private:
  void perform(core::TakerEffect effect);
  void push(protocol::Type type, std::string body);
  void restored(const Result<void>& ok);
  void adopt();
  bool theirs(std::uint64_t group) const { return group == number_ && received_; }

  Registry& registry_;
  Outbox& outbox_;
  core::Taker taker_;
  core::Manifest giver_;
  std::vector<std::uint32_t> versions_;
  std::uint64_t number_ = 0;                   // of the group
  std::unique_ptr<SessionReceiver> received_;  // of the group
  std::uint64_t checksum_ = 0;                 // of what has come of it
  std::vector<std::uint64_t> adopted_;         // of the group that was the last to be adopted
  bool restoring_ = false;                     // the service has not answered for all of it
};

}  // namespace handoff::io
