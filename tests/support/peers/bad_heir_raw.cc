#include "support/peers/bad_heir_raw.h"

#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "handoff.pb.h"
#include "io/channel.h"

namespace handoff::test {
namespace {

using handoff::UniqueFd;
using handoff::io::Channel;
using handoff::protocol::Type;
namespace v1 = handoff::v1;

constexpr std::uint32_t kFuture = 99;

// The next message; throws at the end of the channel.
Channel::Message receive(Channel& channel) {
  for (;;) {
    Channel::Message message;
    const auto received = channel.recv(message);
    if (!received) throw std::runtime_error(received.error().message);
    if (*received == Channel::Received::kMessage) return message;
    if (*received == Channel::Received::kClosed) throw std::runtime_error("the peer has gone");
    pollfd p{channel.fd(), POLLIN, 0};
    ::poll(&p, 1, -1);
  }
}

void send(Channel& channel, Type type, const google::protobuf::MessageLite& body) {
  const auto sent = channel.send(type, body.SerializeAsString());
  if (!sent || *sent != Channel::Sent::kYes) throw std::runtime_error("send failed");
}

v1::Manifest manifest() {
  v1::Manifest out;
  out.set_service("echo");
  out.set_release("from the future");
  v1::Kind* kind = out.add_kinds();
  kind->set_name("session");
  kind->set_version(1);
  kind->add_reads(1);
  kind->add_writes(1);
  out.add_named()->set_name("public");
  return out;
}

}  // namespace

void speak_another_protocol() {
  const char* number = std::getenv("HANDOFF_FD");
  if (number == nullptr) throw std::runtime_error("no supervisor runs this program");
  Channel control{UniqueFd(std::stoi(number))};

  Channel::Message message = receive(control);
  v1::Start start;
  if (message.header.type != Type::kStart ||
      !start.ParseFromArray(message.body.data(), static_cast<int>(message.body.size()))) {
    throw std::runtime_error("expected a Start");
  }
  Channel donor(std::move(message.fds.at(start.handoff().channel_index())));

  v1::Register reg;
  reg.set_protocol_min(1);
  reg.set_protocol_max(1);
  reg.set_generation(start.generation());
  *reg.mutable_manifest() = manifest();
  send(control, Type::kRegister, reg);

  v1::Hello hello;
  hello.set_protocol_min(kFuture);
  hello.set_protocol_max(kFuture);
  hello.set_handoff_id(start.handoff().id());
  hello.set_lanes(1);
  *hello.mutable_manifest() = manifest();
  hello.set_fds_max(1 << 20);
  send(donor, Type::kHello, hello);
  for (;;) receive(donor);  // until the donor has had enough
}

}  // namespace handoff::test
