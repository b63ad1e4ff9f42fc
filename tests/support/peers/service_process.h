// A service in a child process that runs a function of the test, and its supervisor, played by the
// test. The supervisor's side uses libprotobuf, so that each implementation of the messages checks
// the other.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "handoff.pb.h"
#include "libhandoff/base/unique_fd.h"
#include "libhandoff/protocol/channel.h"
#include "support/process/process.h"

namespace handoff::test {

// A frame with its fds, owned.
struct Frame {
  protocol::Type type{};
  std::string body;
  std::vector<UniqueFd> fds;
  bool closed = false;  // no frame: the channel is at its end
};
// Waits for the next frame; throws if none comes.
Frame receive(io::Channel& channel);
// Sends a frame; waits while the socket is full.
void send(io::Channel& channel, protocol::Type type, const google::protobuf::MessageLite& message,
          const std::vector<int>& fds = {});
void send_raw(io::Channel& channel, protocol::Type type, const std::string& body,
              const std::vector<int>& fds = {});
// Both ends of a channel.
std::pair<UniqueFd, UniqueFd> make_channel();

// The terms of a handoff that the supervisor tells both sides.
struct Terms {
  std::uint64_t id = 1;
  std::uint64_t stall_us = 10'000'000;
  std::uint64_t budget_us = 5'000'000;  // sanitizers and busy machines are slow
  bool drain_incompatible = false;
  std::uint32_t spread = 0;
  bool rehearsal = false;
  // Of Donate alone.
  std::optional<v1::Manifest> claims = {};
  std::optional<v1::MayLeaveOut> may = {};
  v1::Unmovable unmovable = v1::UNMOVABLE_REFUSE;
};
// One side's end of the channel, and the process at the other end.
struct Side {
  UniqueFd channel;
  int peer_pidfd = -1;  // borrowed
  Terms terms = {};
};

class ServiceProcess : public Process {
 public:
  // Runs body as a supervised service. report_path is the path of Start, to which it comes back;
  // mailbox (borrowed) is its mailbox, if there is one.
  ServiceProcess(std::uint64_t generation, const std::function<int()>& body,
                 const std::string& report_path = "", int mailbox = -1);
  // Runs body as an heir.
  ServiceProcess(std::uint64_t generation, const std::function<int()>& body, Side side,
                 const std::string& report_path = "");

  // Runs body with these frames of Start, as they are; fds are borrowed.
  struct StartFrame {
    v1::Start start;
    std::vector<int> fds;
  };
  ServiceProcess(const std::function<int()>& body, const std::vector<StartFrame>& starts);

  io::Channel& control() { return control_; }

  // The next control message of this type; others are skipped, since Progress comes at any time.
  // Frame::closed if the child ended instead.
  Frame await(protocol::Type type);
  template <class Message>
  Message await_message(protocol::Type type) {
    const Frame frame = await(type);
    Message message;
    if (frame.closed || !message.ParseFromString(frame.body)) {
      throw std::runtime_error("the service ended before it sent a good " +
                               protocol::type_name(type));
    }
    return message;
  }
  void donate(const Side& side);

 private:
  using Control = std::pair<UniqueFd, UniqueFd>;  // the test's end, and the service's
  ServiceProcess(const std::function<int()>& body, Control control);
  void start(std::uint64_t generation, const Side* heir, const std::string& report_path,
             int mailbox = -1);

  io::Channel control_;
};

// Starts an heir of that donor, and tells the donor to hand over once the heir has registered.
std::unique_ptr<ServiceProcess> start_heir(ServiceProcess& donor, std::uint64_t generation,
                                           const std::function<int()>& body,
                                           const Terms& terms = {});

}  // namespace handoff::test
