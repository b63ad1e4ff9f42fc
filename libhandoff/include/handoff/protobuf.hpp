// protobuf.hpp: state that is a protobuf message. libhandoff needs no protobuf, so this includes
// none of its headers: a message is any type with SerializeToString() and ParseFromArray(), full or
// lite, of the version of protobuf that the service is built with.
//
//   std::string save() const override { return handoff::to_state(state_); }
//   restore: handoff::from_state<TallyState>(state)
//
// A message that only got new fields needs no new state version: an old release keeps the fields
// that it does not know, and a new one finds them unset. A field whose meaning, type or unit has
// changed needs a new version; convert_state() makes its two steps.
#ifndef HANDOFF_PROTOBUF_HPP
#define HANDOFF_PROTOBUF_HPP

#include <climits>
#include <concepts>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace handoff {

template <class T>
concept ProtobufMessage = std::default_initializable<T> &&
    requires(T message, const T& written, std::string* text, const void* bytes, int size) {
  { written.SerializeToString(text) } -> std::convertible_to<bool>;
  { message.ParseFromArray(bytes, size) } -> std::convertible_to<bool>;
};

// The message as the bytes of a state. Throws std::runtime_error, which fails the handoff, if a
// required field of proto2 is not set or the message is over protobuf's limit of 2 GiB.
template <ProtobufMessage T>
std::string to_state(const T& message) {
  std::string out;
  if (!message.SerializeToString(&out)) {
    throw std::runtime_error("the state can't be written as protobuf");
  }
  return out;
}

// The message of a state. Throws std::runtime_error if the bytes are not of such a message.
template <ProtobufMessage T>
T from_state(std::string_view state) {
  T message;
  if (state.size() > INT_MAX ||
      !message.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    throw std::runtime_error("the state is not the protobuf message that it should be (" +
                             std::to_string(state.size()) + " bytes)");
  }
  return message;
}

// A step between two versions, for on_upgrade_state() and on_downgrade_state(), made of a function
// that takes one message and gives the other:
//   service->on_upgrade_state(1, 2, handoff::convert_state<v1::Tally, v2::Tally>(v1_to_v2));
template <ProtobufMessage From, ProtobufMessage To, class Convert>
requires std::is_invocable_r_v<To, const Convert&, const From&>
    std::function<std::string(std::string_view)> convert_state(Convert convert) {
  return [convert = std::move(convert)](std::string_view state) {
    return to_state<To>(convert(from_state<From>(state)));
  };
}

}  // namespace handoff

#endif  // HANDOFF_PROTOBUF_HPP
