// The C face of ticket keys.
#include <cerrno>
#include <string>
#include <string_view>

#include "libhandoff-tls/api/run.h"
#include "libhandoff-tls/handshake/tickets.h"

using namespace handoff::tls;
using handoff::Result;
using handoff::tls::api::run;

static_assert(HANDOFF_TLS_TICKETS_MAX >= TicketKeys::kMaxSize);

extern "C" {

int handoff_tls_tickets(handoff_tls_context_t* c, uint32_t period_s) {
  if (c == nullptr) return -EINVAL;
  return run(c->error, [&]() -> Result<void> {
    if (const auto ok = take_tickets(c->ssl); !ok) return ok;
    if (c->tickets == nullptr) c->tickets = make_in_arena<SharedTickets>();
    c->tickets->use([period_s](TicketKeys& keys) {
      keys.set_period(period_s == 0 ? TicketKeys::kPeriodS : period_s);
    });
    return {};
  });
}

ssize_t handoff_tls_save_tickets(handoff_tls_context_t* c, void* to, size_t size) {
  if (c == nullptr || to == nullptr) return -EINVAL;
  if (c->tickets == nullptr) return HANDOFF_ERR_ORDER;
  return c->tickets->use([to, size](const TicketKeys& keys) -> ssize_t {
    const std::size_t needed = keys.size();
    if (size < needed) return -ENOSPC;
    keys.write(static_cast<std::uint8_t*>(to));
    return static_cast<ssize_t>(needed);
  });
}

int handoff_tls_load_tickets(handoff_tls_context_t* c, const void* from, size_t length) {
  if (c == nullptr || (from == nullptr && length > 0)) return -EINVAL;
  if (c->tickets == nullptr) return HANDOFF_ERR_ORDER;
  return run(c->error, [&]() -> Result<void> {
    const std::string_view bytes(static_cast<const char*>(from), length);
    if (c->tickets->use([bytes](TicketKeys& keys) { return keys.read(bytes); })) return {};
    return handoff::fail(HANDOFF_ERR_PROTOCOL,
                         "the ticket keys of the release before are cut or damaged");
  });
}

}  // extern "C"
