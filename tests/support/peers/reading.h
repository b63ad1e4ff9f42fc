// What the library reads in a frame's body, as libprotobuf's message of the same type: so the two
// can be compared with each other, field by field, whatever the type.
//
// A new message gets its lines in reading.cc, by hand and by the fields' names: with the numbers of
// the library's own description, nothing could show that one of them is wrong.
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
  std::string written;  // what the library writes for it
};

// Every type that has a name.
bool library_reads(protocol::Type type);
Result<Reading> read_by_library(protocol::Type type, std::string_view body);

}  // namespace handoff::test
