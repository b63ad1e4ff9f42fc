// The C face of moving a session: its state, and the checks before it goes on.
#include "libhandoff-tls/api/run.h"
#include "libhandoff-tls/sys/written.h"

using namespace handoff::tls;
using handoff::Failure;
using handoff::Result;

// With what a layer above may have beside it.
static_assert(kMaxState + 1024 <= HANDOFF_LAYER_MAX);

namespace handoff::tls::api {

Failure may_not(const handoff_tls& t) {
  const char* why = "this session is frozen, on its way to another process";
  switch (t.context.gate->is()) {
    case Gate::kInert:
      why =
          "this process does not own it yet: call handoff_tls_own() once handoff_wait() has "
          "returned 0 (a forked child never owns)";
      break;
    case Gate::kFrozen:
      why =
          "the context is frozen: the sessions are an heir's, unless handoff_tls_thaw() says "
          "otherwise";
      break;
    case Gate::kOwner:
      if (t.handshake != nullptr) why = "its handshake is not over";
      if (!t.record->is_checked()) {
        why = "it was restored, and handoff_tls_check() has not agreed yet";
      }
      break;
  }
  return fail(HANDOFF_ERR_ORDER, std::string("a TLS session may not act: ") + why);
}

std::string alert_words(const Record& record) {
  if (const auto alert = record.alert_received(); alert && *alert != Alert::kCloseNotify) {
    return "the TLS peer has ended the session with alert " +
           std::to_string(static_cast<int>(*alert));
  }
  if (const auto alert = record.alert_sent()) {
    return "the TLS peer broke the protocol, and was sent alert " +
           std::to_string(static_cast<int>(*alert));
  }
  return "the TLS session has failed here: no memory, or OpenSSL can't encrypt";
}

namespace {

Result<void> can_save(const handoff_tls& t) {
  if (!t.record->begun()) {
    return fail(HANDOFF_ERR_ORDER,
                "a TLS handshake can't be moved: hold the session until it is over");
  }
  if (!t.out.empty()) {
    return fail(-EBUSY,
                "a TLS session has sealed what was not taken: move handoff_tls_out() to the "
                "session's output before it is saved");
  }
  return {};
}

}  // namespace
}  // namespace handoff::tls::api

using handoff::tls::api::can_save;
using handoff::tls::api::run;

extern "C" {

int handoff_tls_written(int fd, uint64_t* out) {
  if (out == nullptr) return -EINVAL;
  std::string error;
  return run(error, [&]() -> Result<void> {
    const auto written = written_to(fd);
    if (!written) return Failure(written.error());
    *out = *written;
    return {};
  });
}

size_t handoff_tls_save_size(const handoff_tls_t* t) {
  if (t == nullptr || !t->record->begun() || !t->out.empty()) return 0;
  return RecordState::size(*t->record, t->info);
}

ssize_t handoff_tls_save(handoff_tls_t* t, void* to, size_t size) {
  if (t == nullptr || to == nullptr) return -EINVAL;
  ssize_t written = 0;
  const int result = run(t->error, [&]() -> Result<void> {
    if (const auto ok = can_save(*t); !ok) return ok;
    const std::size_t needed = handoff_tls_save_size(t);
    if (size < needed) {
      return handoff::fail(-ENOSPC,
                           "a TLS session's state has " + std::to_string(needed) + " bytes");
    }
    RecordState::write(*t->record, t->info, static_cast<std::uint8_t*>(to));
    written = static_cast<ssize_t>(needed);
    return {};
  });
  return result == 0 ? written : result;
}

int handoff_tls_restore(handoff_tls_t** out, handoff_tls_context_t* c, const void* state,
                        size_t length) {
  if (state == nullptr && length > 0) return -EINVAL;
  return handoff::tls::api::make(out, c, [&](std::unique_ptr<handoff_tls>& t) {
    return RecordState::read({static_cast<const char*>(state), length}, *t->record, t->info);
  });
}

int handoff_tls_check(handoff_tls_t* t, uint64_t written, uint64_t unsent) {
  if (t == nullptr) return -EINVAL;
  return run(t->error, [&]() -> Result<void> {
    if (t->record->check(written, unsent)) return {};
    return handoff::fail(HANDOFF_ERR_IDENTITY,
                         "the state of a TLS session is not the newest: the kernel was given " +
                             std::to_string(static_cast<std::int64_t>(
                                 written + unsent - t->record->position().end())) +
                             " bytes more than it has sealed. Its next nonce may have been used, "
                             "so reset the connection");
  });
}

int handoff_tls_rebase(handoff_tls_t* t, uint64_t difference) {
  if (t == nullptr) return -EINVAL;
  t->record->position().rebase(difference);
  return 0;
}

int handoff_tls_session_freeze(handoff_tls_t* t) {
  if (t == nullptr) return -EINVAL;
  t->record->freeze();
  return 0;
}

int handoff_tls_session_thaw(handoff_tls_t* t) {
  if (t == nullptr) return -EINVAL;
  t->record->thaw();
  return 0;
}

}  // extern "C"
