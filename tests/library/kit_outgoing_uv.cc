// The service of kit_outgoing.h on uv.hpp.
#include <handoff/uv.hpp>

#include "kit_outgoing_streams.h"

namespace handoff::test {

int run_outgoing_on_uv(const OutgoingOptions& options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = options.version});
  uv::Host host(&loop, *service);
  const int result = begin_outgoing<uv::Stream>(host, options);
  if (result == 0) uv_run(&loop, UV_RUN_DEFAULT);
  return result;
}

}  // namespace handoff::test
