// Reads a frame's body by the library, and gives the values as libprotobuf's message of that type.
// So the two readers can be compared field by field.
//
// A new message gets its lines in reading.cc, by hand and by the fields' names. Lines made from the
// library's own description could not show that a number in it is wrong.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
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
  std::string written;  // the body that the library writes for these values
};

// Whether the library reads bodies of this type: every type that has a name.
bool library_reads(protocol::Type type);
Result<Reading> read_by_library(protocol::Type type, std::string_view body);

}  // namespace handoff::test
