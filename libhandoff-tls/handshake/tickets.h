// Session tickets by keys of ours (core/tickets.h), in place of those that OpenSSL makes for each
// SSL_CTX: these move to the next generation.
#pragma once

#include <mutex>
#include <utility>

#include "libhandoff-tls/core/tickets.h"
#include "libhandoff/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace handoff::tls {

// The ticket keys of one context, or of those of several lanes, whose threads take turns: a key
// that one of them makes is a key of all. All zeros is one without keys, that nobody uses.
class SharedTickets {
 public:
  template <class F>
  auto use(F&& f) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(f)(keys_);
  }

 private:
  std::mutex mutex_;
  TicketKeys keys_;
};

// Takes the ticket callback of context. A session for which nobody has called use_ticket_keys()
// gets tickets that nobody can open. HANDOFF_ERR_INTERNAL if OpenSSL has no room for it.
Result<void> take_tickets(ssl_ctx_st* context);
// From now on this session's tickets are by these keys, which are borrowed and rotated; NULL: by
// none.
Result<void> use_ticket_keys(ssl_st* session, SharedTickets* keys);

}  // namespace handoff::tls
