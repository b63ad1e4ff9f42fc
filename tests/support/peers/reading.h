// What the library (protozero) reads in a frame's body, as libprotobuf's message of the same type:
// so the two can be compared with each other, field by field, whatever the type.
//
// A new message that a service or its peer receives gets its lines in reading.cc.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libhandoff/base/result.h"
#include "libhandoff/protocol/frame.h"

namespace handoff::test {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// An empty message of handoff.proto, found by the type's name; nullptr if there is none.
MessagePtr new_message(protocol::Type type);

struct Reading {
  MessagePtr message;
  // What the library writes for it, if it also sends this type.
  std::optional<std::string> written;
};

// Messages between donor and heir, and from the supervisor to a service.
bool library_reads(protocol::Type type);
Result<Reading> read_by_library(protocol::Type type, std::string_view body);

}  // namespace handoff::test
