// The service of kit_pairs.h on uv_pair.hpp.
#include <handoff/uv_pair.hpp>

#include "kit_pairs_streams.h"

namespace handoff::test {

int run_pairs_on_uv(const PairOptions& options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = options.version});
  uv::Host host(&loop, *service);
  const int result = begin_pairs<uv::Pair>(host, options);
  if (result == 0) uv_run(&loop, UV_RUN_DEFAULT);
  return result;
}

}  // namespace handoff::test
