#include "session_state.h"

namespace kv {

std::string encode_session(const SessionState& state) {
  std::string bytes;
  Encoder out(bytes);
  encode_core(state, out);
  return bytes;
}

SessionState decode_session(std::string_view bytes) {
  Decoder in(bytes);
  SessionState state{decode_core(in)};
  in.expect_done();
  return state;
}

}  // namespace kv
