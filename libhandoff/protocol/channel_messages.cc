#include "libhandoff/protocol/channel_messages.h"

#include "libhandoff/protocol/codec.h"

namespace handoff::protocol {

void append(std::string& body, const Session& session) { Writer(body).part(1, session); }
void append_closed(std::string& body, std::uint64_t id) { Writer(body).field(2, id); }
void append_unseen(std::string& body) { Writer(body).field(4, true); }
std::string encode(const InRing& m) {
  std::string body;
  Writer(body).part(3, m);
  return body;
}

template std::string encode(const Hello&);
template std::string encode(const Abort&);
template std::string encode(const Listeners&);
template std::string encode(const Ring&);
template std::string encode(const SectionChunk&);
template std::string encode(const Region&);
template std::string encode(const CopyEnd&);
template std::string encode(const Prepare&);
template std::string encode(const Lanes&);
template std::string encode(const LanePrepare&);
template std::string encode(const Ack&);
template std::string encode(const Copied&);
template std::string encode(const Prepared&);

template Result<Hello> decode(std::string_view, Screen);
template Result<Abort> decode(std::string_view, Screen);
template Result<Listeners> decode(std::string_view, Screen);
template Result<Sessions> decode(std::string_view, Screen);
template Result<Ring> decode(std::string_view, Screen);
template Result<SectionChunk> decode(std::string_view, Screen);
template Result<Region> decode(std::string_view, Screen);
template Result<CopyEnd> decode(std::string_view, Screen);
template Result<Prepare> decode(std::string_view, Screen);
template Result<Lanes> decode(std::string_view, Screen);
template Result<LanePrepare> decode(std::string_view, Screen);
template Result<Ack> decode(std::string_view, Screen);
template Result<Copied> decode(std::string_view, Screen);
template Result<Prepared> decode(std::string_view, Screen);

}  // namespace handoff::protocol
