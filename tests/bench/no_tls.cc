// The bench `tls` of a build without libhandoff-tls.
#include <stdexcept>

#include "benches.h"
#include "tls_client.h"
#include "tls_handshakes.h"

namespace bench {
namespace {

constexpr const char* kWhy = "this build has no libhandoff-tls (HANDOFF_TLS)";

}  // namespace

void tls(const Options& /*options*/, Report& report) {
  report.add(not_run("tls", "all of it", kWhy));
}

std::unique_ptr<TlsClient> shake_hands(int /*fd*/) { throw std::runtime_error(kWhy); }

int handshakes() { throw std::runtime_error(kWhy); }

}  // namespace bench
