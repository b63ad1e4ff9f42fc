// What a handoff_tls_t and a handoff_tls_context_t are.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "handoff/tls.h"
#include "libhandoff-tls/core/record.h"
#include "libhandoff-tls/core/state.h"
#include "libhandoff-tls/handshake/handshake.h"
#include "libhandoff-tls/handshake/tickets.h"
#include "libhandoff-tls/sys/arena.h"

struct handoff_tls_context {
  handoff_tls_context() : gate(handoff::tls::make_in_arena<handoff::tls::GateWord>()) {}
  ~handoff_tls_context();
  handoff_tls_context(const handoff_tls_context&) = delete;
  handoff_tls_context& operator=(const handoff_tls_context&) = delete;

  ssl_ctx_st* ssl = nullptr;                           // a reference of ours
  handoff::tls::InArena<handoff::tls::GateWord> gate;  // where a fork wipes it
  // In the arena. NULL: OpenSSL's own. Those of several lanes are one.
  std::shared_ptr<handoff::tls::SharedTickets> tickets;
  std::size_t max_plain = 64 << 10;
  std::string error;
};

struct handoff_tls {
  explicit handoff_tls(handoff_tls_context& c)
      : context(c), record(handoff::tls::make_in_arena<handoff::tls::Record>(c.gate.get())) {}

  handoff_tls_context& context;
  handoff::tls::InArena<handoff::tls::Record> record;
  std::unique_ptr<handoff::tls::Handshake> handshake;  // until it is over
  handoff::tls::Info info;
  handoff::tls::Buffer plain;  // opened, not consumed
  handoff::tls::Buffer out;    // sealed, not taken
  std::optional<handoff::tls::Ticket> ticket;
  std::optional<handoff::Error> over;  // the handshake has failed: what every later call returns
  std::string error;
};
