// A message of the control socket as it may come: its type, and the body. The library and
// libprotobuf read it; what a service says, the supervisor hears, too.
#include <algorithm>

#include "check.h"
#include "differential.h"
#include "libhandoff/protocol/limits.h"
#include "oddity.h"
#include "supervisor/processes/service_messages.h"
#include "support/peers/reading.h"

namespace handoff {
namespace {

void check_text(const std::string& text) {
  CHECK_THAT(text.size() <= protocol::kMaxReason, text);
  CHECK_THAT(
      std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
      "it would reach a terminal: " + text);
}

// The supervisor believes nothing of a message but that it is well-formed: the sender is known by
// its socket, and control characters are cleaned out of its words.
struct CheckEvent {
  supervisor::Generation sender;

  void operator()(const supervisor::Registered& event) const { check(event.generation); }
  void operator()(const supervisor::Owned& event) const { check(event.generation); }
  void operator()(const supervisor::Progressed& event) const { check(event.generation); }
  void operator()(const supervisor::HandoffFailed& event) const {
    check(event.generation);
    check_text(event.reason);
    check_text(event.code);
    CHECK_THAT(!event.code.empty(), "a code without a name");
  }
  void operator()(const supervisor::DonorRetired& event) const { check(event.generation); }
  void operator()(const supervisor::DonorLate& event) const { check(event.generation); }
  void operator()(const supervisor::HealthHeard& event) const { check(event.generation); }
  void operator()(const supervisor::Rehearsed& event) const { check(event.generation); }
  template <class Other>
  void operator()(const Other&) const {
    CHECK_THAT(false, "no service can say that");
  }

 private:
  void check(supervisor::Generation generation) const { CHECK_THAT(generation == sender, ""); }
};

struct CheckAside {
  void operator()(const supervisor::ReleaseNamed& named) const {
    check_text(named.service);
    check_text(named.release);
  }
  void operator()(const supervisor::FdsNamed& named) const {
    for (const auto& fd : named.fds) {
      check_text(fd.name);
      check_text(fd.address);
    }
  }
  template <class Other>
  void operator()(const Other&) const {}
};

void hear(protocol::Type type, std::string_view body) {
  constexpr supervisor::Generation kSender = 9;
  const auto heard = supervisor::decode(type, body, kSender);
  const bool for_us = static_cast<int>(type) >= static_cast<int>(protocol::Type::kRegister);
  const auto message = for_us ? test::new_message(type) : nullptr;
  const bool well_formed =
      message && message->ParseFromArray(body.data(), static_cast<int>(body.size()));
  const std::string oddity = message ? fuzz::find_oddity(*message->GetDescriptor(), body) : "";
  // The library itself takes a text that is no UTF-8; the supervisor does not, as libprotobuf.
  if (oddity.empty() || oddity == "no UTF-8") {
    CHECK_THAT(heard.has_value() == well_formed ||
                   (well_formed && fuzz::is_a_limit(heard.error().message)),
               protocol::type_name(type));
  }
  if (!heard) return;
  for (const auto& event : heard->events) std::visit(CheckEvent{kSender}, event);
  std::visit(CheckAside{}, heard->aside);
}

}  // namespace
}  // namespace handoff

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  handoff::fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace handoff;
  if (size == 0 || size > 1 + protocol::kMaxBody) return -1;
  const auto type = static_cast<protocol::Type>(data[0]);
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz::compare_readers(type, body);
  hear(type, body);
  return 0;
}
