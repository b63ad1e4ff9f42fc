// The service of kit_pairs.h on asio_pair.hpp.
#include <handoff/asio_pair.hpp>

#include "kit_pairs_streams.h"

namespace handoff::test {

int run_pairs_on_asio(const PairOptions& options) {
  auto service = Service::open({.name = "test", .version = options.version});
  ::asio::io_context io;
  handoff::asio::Host host(io, *service);
  const int result = begin_pairs<handoff::asio::Pair>(host, options);
  if (result == 0) io.run();
  return result;
}

}  // namespace handoff::test
