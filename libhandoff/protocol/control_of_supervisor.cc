// The supervisor's end of the control socket: the orders that it writes and the reports that it
// reads. A service links none of this.
#include "libhandoff/protocol/control_orders.h"
#include "libhandoff/protocol/control_reports.h"
#include "libhandoff/protocol/reader.h"
#include "libhandoff/protocol/rehearsal_report.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {

template std::string encode(const Start&);
template std::string encode(const Donate&);
template std::string encode(const Stop&);
template std::string encode(const Query&);
template std::string encode(const Cancel&);
template std::string encode(const Drain&);
template std::string encode(const Relink&);
template std::string encode(const Spread&);

template Result<Register> decode(std::string_view, Screen);
template Result<Owner> decode(std::string_view, Screen);
template Result<Progress> decode(std::string_view, Screen);
template Result<Failed> decode(std::string_view, Screen);
template Result<Retired> decode(std::string_view, Screen);
template Result<Status> decode(std::string_view, Screen);
template Result<Health> decode(std::string_view, Screen);
template Result<Late> decode(std::string_view, Screen);
template Result<Rehearsed> decode(std::string_view, Screen);

}  // namespace handoff::protocol
