#include "libhandoff/protocol/link_messages.h"

#include "libhandoff/protocol/reader.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {

template std::string encode(const LinkHello&);
template std::string encode(const GroupSessions&);
template std::string encode(const GroupPrepare&);
template std::string encode(const GroupRelease&);
template std::string encode(const GroupPrepared&);
template std::string encode(const GroupResumed&);
template std::string encode(const GroupAbort&);

template Result<LinkHello> decode(std::string_view, Screen);
template Result<GroupSessions> decode(std::string_view, Screen);
template Result<GroupPrepare> decode(std::string_view, Screen);
template Result<GroupRelease> decode(std::string_view, Screen);
template Result<GroupPrepared> decode(std::string_view, Screen);
template Result<GroupResumed> decode(std::string_view, Screen);
template Result<GroupAbort> decode(std::string_view, Screen);

}  // namespace handoff::protocol
