// What uv.hpp and poll.h write into a session's record beside its state: each reads what the other
// has written.
#ifndef HANDOFF_DETAIL_SESSION_RECORD_HPP
#define HANDOFF_DETAIL_SESSION_RECORD_HPP

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace handoff::detail {

struct SessionRecord {
  // The session's flags.
  static constexpr std::uint32_t kClosing = 1;     // it ends when its output is sent
  static constexpr std::uint32_t kPair = 2;        // its input is a PairInput
  static constexpr std::uint32_t kConnecting = 4;  // the connect is under way
  static constexpr std::uint32_t kSecondConnecting = 8;
  static constexpr std::uint32_t kShut = 16;  // the sending half ends when the output is sent
  static constexpr std::uint32_t kSecondShut = 32;
  static constexpr std::uint32_t kAll = 63;
  // The fd of the second connection.
  static constexpr const char* kUpstream = "upstream";
};

// The input of a session with two connections: each part behind its length.
struct PairInput {
  std::string_view client;       // read from the client, not consumed
  std::string_view upstream;     // read from the upstream, not consumed
  std::string_view to_upstream;  // written to the upstream, not sent

  std::string pack() const {
    std::string out;
    for (const std::string_view part : {client, upstream, to_upstream}) {
      const auto length = static_cast<std::uint32_t>(part.size());
      out.append(reinterpret_cast<const char*>(&length), sizeof length);
      out.append(part);
    }
    return out;
  }
  // Views into packed; nothing for bytes that pack() has not made.
  static std::optional<PairInput> unpack(std::string_view packed) {
    PairInput out;
    for (std::string_view* const part : {&out.client, &out.upstream, &out.to_upstream}) {
      std::uint32_t length = 0;
      if (packed.size() < sizeof length) return std::nullopt;
      std::memcpy(&length, packed.data(), sizeof length);
      packed.remove_prefix(sizeof length);
      if (packed.size() < length) return std::nullopt;
      *part = packed.substr(0, length);
      packed.remove_prefix(length);
    }
    if (!packed.empty()) return std::nullopt;
    return out;
  }
};

}  // namespace handoff::detail

#endif  // HANDOFF_DETAIL_SESSION_RECORD_HPP
