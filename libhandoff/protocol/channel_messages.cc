#include "libhandoff/protocol/channel_messages.h"

#include "libhandoff/protocol/reader.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {

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
