// How the functions of the C face run: no exception gets out, and errors become words.
#pragma once

#include <memory>
#include <new>
#include <string>

#include "libhandoff-tls/api/session.h"

namespace handoff::tls::api {

// Why a session may not act, as an error.
Failure may_not(const handoff_tls& t);
// How a session has ended.
std::string alert_words(const Record& record);

inline int note(std::string& error, const char* words) noexcept try {
  error = words;
  return HANDOFF_ERR_INTERNAL;
} catch (const std::bad_alloc&) {
  return -ENOMEM;
}

// Runs f, whose error goes to `error` in words.
template <class F>
int run(std::string& error, F&& f) noexcept {
  try {
    const Result<void> result = f();
    if (result) return 0;
    error = result.error().message;
    return result.error().code;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& e) {
    return note(error, e.what());
  }
}

// For what seals and opens: an exception leaves a record half done, so the session is over.
template <class F>
int run(handoff_tls& t, F&& f) noexcept {
  const int result = run(t.error, f);
  if (result == -ENOMEM || result == HANDOFF_ERR_INTERNAL) t.record->abandon();
  return result;
}

// Runs f, which seals something and says whether it could.
template <class F>
int seal(handoff_tls& t, F&& f) noexcept {
  return run(t, [&]() -> Result<void> {
    if (t.over) return Failure(*t.over);
    if (!t.record->may_act()) return may_not(t);
    if (f()) return {};
    return fail(-EPIPE,
                t.record->failed() ? alert_words(*t.record) : "a TLS session that was shut down");
  });
}

// Makes a session, which f sets up.
template <class F>
int make(handoff_tls_t** out, handoff_tls_context_t* c, F&& f) noexcept {
  if (out == nullptr) return -EINVAL;
  *out = nullptr;
  if (c == nullptr) return -EINVAL;
  return run(c->error, [&]() -> Result<void> {
    auto t = std::make_unique<handoff_tls>(*c);
    if (const Result<void> ok = f(t); !ok) return ok;
    *out = t.release();
    return {};
  });
}

}  // namespace handoff::tls::api
