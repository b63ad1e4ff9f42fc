#include "support/peers/service_process.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace handoff::test {

using protocol::Type;

std::pair<UniqueFd, UniqueFd> make_channel() {
  auto pair = io::Channel::make_pair();
  if (!pair) throw std::runtime_error(pair.error().message);
  return std::move(*pair);
}

Frame receive(io::Channel& channel) {
  const Deadline deadline = Deadline::patience();
  io::Channel::Message message;
  while (true) {
    const auto received = channel.recv(message);
    if (!received) throw std::runtime_error(received.error().message);
    if (*received == io::Channel::Received::kClosed) return {.closed = true};
    if (*received == io::Channel::Received::kMessage) break;
    if (!readable(channel.fd(), deadline)) throw std::runtime_error("no frame came");
  }
  return {message.header.type, std::string(message.body), std::move(message.fds)};
}

void send_raw(io::Channel& channel, Type type, const std::string& body,
              const std::vector<int>& fds) {
  const Deadline deadline = Deadline::patience();
  while (true) {
    const auto sent = channel.send(type, body, fds);
    if (!sent) throw std::runtime_error(sent.error().message);
    if (*sent != io::Channel::Sent::kWouldBlock) return;
    pollfd p{channel.fd(), POLLOUT, 0};
    if (::poll(&p, 1, deadline.milliseconds()) == 0) throw std::runtime_error("no frame fits in");
  }
}

void send(io::Channel& channel, Type type, const google::protobuf::MessageLite& message,
          const std::vector<int>& fds) {
  send_raw(channel, type, message.SerializeAsString(), fds);
}

namespace {

void set_terms(v1::Handoff& handoff, const Terms& terms) {
  handoff.set_id(terms.id);
  handoff.set_channel_index(0);
  handoff.set_peer_index(1);
  handoff.set_stall_us(terms.stall_us);
  handoff.set_budget_us(terms.budget_us);
  handoff.set_drain_incompatible(terms.drain_incompatible);
  handoff.set_spread(terms.spread);
  handoff.set_rehearsal(terms.rehearsal);
}

// Sets the environment that a real supervisor gives, and runs body.
int run_supervised(const std::function<int()>& body, int control) {
  ::setenv("HANDOFF_FD", std::to_string(control).c_str(), 1);
  ::setenv("HANDOFF_PID", std::to_string(::getpid()).c_str(), 1);
  return body();
}

}  // namespace

ServiceProcess::ServiceProcess(const std::function<int()>& body, Control control)
    : Process([&body, fd = control.second.get()] { return run_supervised(body, fd); },
              control.second.get()),
      control_(std::move(control.first)) {}

ServiceProcess::ServiceProcess(std::uint64_t generation, const std::function<int()>& body,
                               const std::string& report_path, int mailbox)
    : ServiceProcess(body, make_channel()) {
  start(generation, nullptr, report_path, mailbox);
}

ServiceProcess::ServiceProcess(std::uint64_t generation, const std::function<int()>& body,
                               Side side, const std::string& report_path)
    : ServiceProcess(body, make_channel()) {
  start(generation, &side, report_path);
}

ServiceProcess::ServiceProcess(const std::function<int()>& body,
                               const std::vector<StartFrame>& starts)
    : ServiceProcess(body, make_channel()) {
  for (const StartFrame& frame : starts) send(control_, Type::kStart, frame.start, frame.fds);
}

void ServiceProcess::start(std::uint64_t generation, const Side* heir,
                           const std::string& report_path, int mailbox) {
  v1::Start start;
  start.set_protocol_min(1);
  start.set_protocol_max(1);
  start.set_service("as the operator calls it");
  start.set_generation(generation);
  start.set_report_path(report_path);
  if (heir == nullptr) {
    if (mailbox < 0) return send(control_, Type::kStart, start);
    start.set_mailbox(1);
    return send(control_, Type::kStart, start, {mailbox});
  }
  start.set_heir(true);
  set_terms(*start.mutable_handoff(), heir->terms);
  send(control_, Type::kStart, start, {heir->channel.get(), heir->peer_pidfd});
}

Frame ServiceProcess::await(Type type) {
  while (true) {
    Frame frame = receive(control_);
    if (frame.closed || frame.type == type) return frame;
  }
}

void ServiceProcess::donate(const Side& side) {
  v1::Donate donate;
  set_terms(*donate.mutable_handoff(), side.terms);
  if (side.terms.claims) *donate.mutable_claims() = *side.terms.claims;
  if (side.terms.may) *donate.mutable_may() = *side.terms.may;
  donate.set_unmovable(side.terms.unmovable);
  send(control_, Type::kDonate, donate, {side.channel.get(), side.peer_pidfd});
}

std::unique_ptr<ServiceProcess> start_heir(ServiceProcess& donor, std::uint64_t generation,
                                           const std::function<int()>& body, const Terms& terms) {
  auto [donors, heirs] = make_channel();
  auto heir = std::make_unique<ServiceProcess>(generation, body,
                                               Side{std::move(heirs), donor.pidfd(), terms});
  heir->await_message<v1::Register>(Type::kRegister);
  donor.donate({std::move(donors), heir->pidfd(), terms});
  return heir;
}

}  // namespace handoff::test
