// A service's end of the control socket: the orders that it reads and the reports that it writes.
#include "libhandoff/protocol/control_orders.h"
#include "libhandoff/protocol/control_reports.h"
#include "libhandoff/protocol/reader.h"
#include "libhandoff/protocol/rehearsal_report.h"
#include "libhandoff/protocol/writer.h"

namespace handoff::protocol {

template Result<Start> decode(std::string_view, Screen);
template Result<Donate> decode(std::string_view, Screen);
template Result<Stop> decode(std::string_view, Screen);
template Result<Query> decode(std::string_view, Screen);
template Result<Cancel> decode(std::string_view, Screen);
template Result<Drain> decode(std::string_view, Screen);
template Result<Relink> decode(std::string_view, Screen);
template Result<Spread> decode(std::string_view, Screen);

template std::string encode(const Register&);
template std::string encode(const Owner&);
template std::string encode(const Progress&);
template std::string encode(const Failed&);
template std::string encode(const Retired&);
template std::string encode(const Status&);
template std::string encode(const Health&);
template std::string encode(const Late&);
template std::string encode(const Rehearsed&);

}  // namespace handoff::protocol
