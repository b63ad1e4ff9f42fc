// How a message is described: once, by a function describe(on, message) beside its structure. A
// Writer and a Reader both run over it (writer.h, reader.h), so encoding and decoding can't differ.
// The message Sessions is the exception: its records are appended one by one (session_messages.cc).
//
//   struct Ring { std::uint32_t slots = 0; std::uint32_t slot_size = 0; };
//   void describe(auto& on, Is<Ring> auto& m) {
//     on.message("Ring").field(1, m.slots).field(2, m.slot_size);
//   }
//
// Fields come in the order of their numbers in handoff.proto, which is the order on the wire:
//
//   message(name)             first; the name is for errors
//   field(n, x)               a number, a flag, or bytes that point into the decoded body
//   if_set(n, x)              a field, left out while it is 0 or empty: older frames don't change
//   when(c, n, x)             a field, written if c is true
//   choice(n, x, last, other) an enum, open towards newer peers: what is above `last` is `other`
//   choice_if_set(...)        choice(), left out while it is 0
//   text(n, x, limit, what)   a string, written as it is; a longer one is refused
//   text_if_set(...)          text(), left out while it is empty
//   words(n, x, what)         a reason for people: printable() as it is written, at most kMaxReason
//   part(n, x)                a message within, perhaps std::optional
//   each(n, v, limit, what)   messages within, at most so many
//   list(n, v, limit, what)   numbers, packed; they are read one by one, too
//   require(c, why)           last; a decoded message for which c is false is refused
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "libhandoff/base/result.h"
#include "libhandoff/protocol/limits.h"

namespace handoff::protocol {

// A message of that type: const when a Writer runs over it, not const when a Reader does.
template <class T, class Message>
concept Is = std::same_as<std::remove_const_t<T>, Message>;

// Whether numbers that are 0 and texts that are empty are written. The supervisor's orders leave
// them out, with all that is in them.
enum class Zeros : std::uint8_t { kWritten, kLeftOut };

template <class Message>
std::string encode(const Message& m);

// Called with each text before it is stored, instead of checking the text's limit. Mends the text,
// or refuses it by returning false.
using Screen = bool (*)(std::string& text);

// Decodes a body, or fails with HANDOFF_ERR_PROTOCOL. Checks all that needs no knowledge of the
// handoff: that the body parses, and the limits. string_views point into the body. Unknown fields
// are skipped, since newer peers may send more.
template <class Message>
Result<Message> decode(std::string_view body, Screen screen = nullptr);

}  // namespace handoff::protocol
