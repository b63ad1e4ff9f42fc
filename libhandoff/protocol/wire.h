// Shared by the codecs: protozero in a form that fits decode(), and the messages within messages.
#pragma once

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>

#include "handoff/handoff.h"
#include "libhandoff/protocol/limits.h"
#include "libhandoff/protocol/messages.h"

namespace handoff::protocol::wire {

constexpr std::uint32_t varint(std::uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}
constexpr std::uint32_t bytes(std::uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}

// A broken rule of the protocol; caught in parse().
struct Malformed {
  std::string what;
};

inline std::string_view view(protozero::pbf_reader& reader) {
  const auto v = reader.get_view();
  return {v.data(), v.size()};
}
inline std::string text(protozero::pbf_reader& reader, std::size_t limit, const char* what) {
  const std::string_view v = view(reader);
  if (v.size() > limit) throw Malformed{std::string(what) + " is too long"};
  return std::string(v);
}
// A text that a peer may take for UTF-8, as proto3's strings must be: what is no printable ASCII or
// a well-formed sequence becomes '?', and a long one is cut between characters.
std::string clean(std::string_view in, std::size_t limit);
// A 32-bit field; what does not fit is not cut.
inline std::uint32_t u32(protozero::pbf_reader& reader) {
  const std::uint64_t value = reader.get_uint64();
  if (value > UINT32_MAX) throw Malformed{"a number is out of range"};
  return static_cast<std::uint32_t>(value);
}

// protozero's get_bool() looks at the first byte alone, and at one behind the end if there is none.
inline bool flag(protozero::pbf_reader& reader) { return reader.get_uint64() != 0; }

// Calls field(reader, tag_and_type) for each field; one that returns false is unknown and skipped,
// as newer peers may send more.
template <class Message, class Field>
Result<Message> parse(const char* name, std::string_view body, Field&& field) {
  try {
    Message message;
    protozero::pbf_reader reader(body.data(), body.size());
    while (reader.next()) {
      if (!field(message, reader, reader.tag_and_type())) reader.skip();
    }
    return message;
  } catch (const protozero::exception& e) {
    return fail(HANDOFF_ERR_PROTOCOL, std::string("malformed ") + name + ": " + e.what());
  } catch (const Malformed& e) {
    return fail(HANDOFF_ERR_PROTOCOL, std::string("malformed ") + name + ": " + e.what);
  }
}

// A message inside another: what is wrong with it is wrong with the whole.
template <class Message>
Message nested(Result<Message> result) {
  if (!result) throw Malformed{std::move(result.error().message)};
  return std::move(*result);
}

void write(protozero::pbf_writer& out, std::uint32_t tag, const Named& named);
void write(protozero::pbf_writer& out, std::uint32_t tag, const Manifest& manifest);
Result<Named> read_named(std::string_view body);
Result<Manifest> read_manifest(std::string_view body);

}  // namespace handoff::protocol::wire
