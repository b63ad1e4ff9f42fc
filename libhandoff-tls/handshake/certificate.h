// What a session's owner is told of the peer's certificate, in a form that moves.
#pragma once

#include "libhandoff-tls/core/state.h"
#include "libhandoff/base/result.h"

struct x509_st;

namespace handoff::tls {

// Fills info's part. HANDOFF_ERR_UNKNOWN for one of more than kMaxCertificate bytes, since the
// session could not move with it. Throws std::bad_alloc.
Result<void> describe_certificate(const x509_st* certificate, Info& info);

}  // namespace handoff::tls
