#include "support/peers/bad_heir_raw.h"

#include <fcntl.h>

#include <cstdlib>
#include <optional>
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

int control_fd() {
  const char* number = std::getenv("HANDOFF_FD");
  if (number == nullptr) throw std::runtime_error("no supervisor runs this program");
  return std::stoi(number);
}

struct Heir {
  Channel control{UniqueFd(control_fd())};
  v1::Start start;
  std::optional<Channel> donor;

  // Takes Start, and registers.
  Heir() {
    Frame frame = next(control);
    if (frame.type != Type::kStart || !start.ParseFromString(frame.body)) {
      throw std::runtime_error("expected a Start");
    }
    donor.emplace(std::move(frame.fds.at(start.handoff().channel_index())));
    v1::Register reg;
    reg.set_protocol_min(1);
    reg.set_protocol_max(1);
    reg.set_generation(start.generation());
    *reg.mutable_manifest() = manifest();
    send(control, Type::kRegister, reg);
  }
};

void say_owner(Channel& control, std::uint64_t generation) {
  v1::Owner owner;
  owner.set_generation(generation);
  owner.set_handoff_id(generation);
  owner.set_sessions(1000);
  send(control, Type::kOwner, owner);
}

}  // namespace

void only_claim() {
  Heir heir;
  next(*heir.donor);
  say_owner(heir.control, heir.start.generation());
  for (;;) next(heir.control);  // until the supervisor has heard enough, which throws
}

Claim::Claim() : control_(control_fd()), generation_(0) {
  const char* generation = std::getenv("HANDOFF_GENERATION");
  if (generation == nullptr) throw std::runtime_error("no supervisor runs this program");
  generation_ = std::stoull(generation);
}

void Claim::say() const {
  Channel control{UniqueFd(::fcntl(control_, F_DUPFD_CLOEXEC, 0))};
  say_owner(control, generation_);
}

void speak_another_protocol() {
  Heir heir;
  v1::Hello hello;
  hello.set_protocol_min(kFuture);
  hello.set_protocol_max(kFuture);
  hello.set_handoff_id(heir.start.handoff().id());
  hello.set_lanes(1);
  *hello.mutable_manifest() = manifest();
  hello.set_fds_max(1 << 20);
  send(*heir.donor, Type::kHello, hello);
  for (;;) next(*heir.donor);  // until the donor closes the channel, which throws
}

}  // namespace handoff::test
