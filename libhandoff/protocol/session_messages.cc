#include "libhandoff/protocol/session_messages.h"

#include "libhandoff/protocol/reader.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {

void append(std::string& body, const Session& session) { Writer(body).part(1, session); }
void append_closed(std::string& body, std::uint64_t id) { Writer(body).field(2, id); }
void append_unseen(std::string& body) { Writer(body).field(4, true); }
std::string encode(const InRing& m) {
  std::string body;
  Writer(body).part(3, m);
  return body;
}

template Result<Sessions> decode(std::string_view, Screen);

}  // namespace handoff::protocol
