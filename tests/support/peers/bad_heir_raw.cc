#include "support/peers/bad_heir_raw.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using io::Channel;
using protocol::Type;

constexpr std::uint32_t kFuture = 99;

// The next frame; throws at the end of the channel.
Frame next(Channel& channel) {
  Frame frame = receive(channel);
  if (frame.closed) throw std::runtime_error("the peer has gone");
  return frame;
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

  Frame frame = next(control);
  v1::Start start;
  if (frame.type != Type::kStart || !start.ParseFromString(frame.body)) {
    throw std::runtime_error("expected a Start");
  }
  Channel donor(std::move(frame.fds.at(start.handoff().channel_index())));

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
  for (;;) next(donor);  // until the donor closes the channel, which throws
}

}  // namespace handoff::test
