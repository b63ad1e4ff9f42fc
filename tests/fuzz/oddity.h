// Finds what libprotobuf and the library's own reader (protozero) are known to take differently. A
// third, small reader walks through the body and looks for nothing else.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

namespace handoff::fuzz {

// The first oddity in the body; "" if both must read the same. No encoder writes any of these:
// - a group: only libprotobuf skips it
// - a field number from 19000 to 19999: protozero refuses it
// - a tag or a length of more than 32 bits: protozero cuts it, libprotobuf refuses it
// - a varint of ten bytes with more than 64 bits
// - a text that is no UTF-8: libprotobuf refuses it, the library takes names and reasons as bytes
// - a message that stands there twice and is no list: libprotobuf merges, the library takes the
// last
// - an enum's number that the specification does not have: the library keeps what it knows
std::string find_oddity(const google::protobuf::Descriptor& message, std::string_view body);

}  // namespace handoff::fuzz
