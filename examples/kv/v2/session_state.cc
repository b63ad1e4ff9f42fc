#include "session_state.h"

namespace kv {

void SessionState::describe(Time now, std::string& out) const {
  if (connected != kNever) out += " age=" + std::to_string((now - connected) / kSecond);
  out += " tot-cmds=" + std::to_string(commands);
}

std::string encode_session(const SessionState& state) {
  std::string bytes;
  Encoder out(bytes);
  out.signed_number(state.connected);
  out.number(state.commands);
  encode_core(state, out);
  return bytes;
}

SessionState decode_session(std::string_view bytes) {
  Decoder in(bytes);
  SessionState state;
  state.connected = in.signed_number();
  state.commands = in.number();
  static_cast<SessionCore&>(state) = decode_core(in);
  in.expect_done();
  return state;
}

std::string session_1_to_2(std::string_view bytes) {
  Decoder in(bytes);
  SessionState state{decode_core(in)};
  in.expect_done();
  return encode_session(state);
}

std::string session_2_to_1(std::string_view bytes) {
  const SessionState state = decode_session(bytes);
  std::string older;
  Encoder out(older);
  encode_core(state, out);
  return older;
}

}  // namespace kv
