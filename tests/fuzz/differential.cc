#include "differential.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <array>

#include "check.h"
#include "handoff.pb.h"
#include "oddity.h"
#include "support/peers/reading.h"

namespace handoff::fuzz {
namespace {

using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using protocol::Type;

// A peer that says nothing of lanes has one: the library's only default that is not 0.
void set_defaults(Message& read, const Message& by_library) {
  auto* hello = dynamic_cast<v1::Hello*>(&read);
  if (hello == nullptr || hello->lanes() != 0) return;
  hello->set_lanes(static_cast<const v1::Hello&>(by_library).lanes());
}

// Types whose message may change when it is written again: a reason is cleaned, and a Register has
// a state only if it returns.
bool is_mended_when_written(Type type) {
  switch (type) {
    case Type::kCancel:
    case Type::kAbort:
    case Type::kGroupAbort:
    case Type::kRegister:
    case Type::kFailed:
    case Type::kHealth:
    case Type::kRehearsed:
    case Type::kCopied:
    case Type::kPrepared:
    case Type::kRetired:
    case Type::kLate:
      return true;
    default:
      return false;
  }
}

void check_round_trip(Type type, const test::Reading& first) {
  const auto second = test::read_by_library(type, first.written);
  CHECK_THAT(second, "the library refuses what it wrote itself: " + second.error().message);
  if (is_mended_when_written(type)) {
    const auto third = test::read_by_library(type, second->written);
    CHECK_THAT(third && third->written == second->written, second->message->DebugString());
    return;
  }
  CHECK_THAT(MessageDifferencer::Equals(*first.message, *second->message),
             first.message->DebugString() + "became\n" + second->message->DebugString());
  CHECK_THAT(second->written == first.written, first.message->DebugString());
}

}  // namespace

bool is_a_limit(std::string_view error) {
  static constexpr std::array<std::string_view, 6> kLimits = {
      "is too long",     "too many",      "more named fds than a frame carries",
      "is out of range", "without an id", "over the limit"};
  return std::any_of(kLimits.begin(), kLimits.end(), [&](std::string_view limit) {
    return error.find(limit) != std::string_view::npos;
  });
}

void compare_readers(Type type, std::string_view body) {
  if (!test::library_reads(type)) return;
  const auto ours = test::read_by_library(type, body);
  if (ours) check_round_trip(type, *ours);
  if (type == Type::kRelease || type == Type::kResumed) return;  // nobody looks at the body

  const auto theirs = test::new_message(type);
  const bool accepted = theirs->ParseFromArray(body.data(), static_cast<int>(body.size()));
  if (!find_oddity(*theirs->GetDescriptor(), body).empty()) return;
  if (!ours) {
    CHECK_THAT(!accepted || is_a_limit(ours.error().message),
               "only libprotobuf takes it; the library: " + ours.error().message);
    return;
  }
  CHECK_THAT(accepted, "only the library takes it:\n" + ours->message->DebugString());
  theirs->DiscardUnknownFields();
  set_defaults(*theirs, *ours->message);
  CHECK_THAT(MessageDifferencer::Equivalent(*theirs, *ours->message),
             "libprotobuf reads\n" + theirs->DebugString() + "the library\n" +
                 ours->message->DebugString());
}

void be_quiet() { google::protobuf::SetLogHandler(nullptr); }

}  // namespace handoff::fuzz
