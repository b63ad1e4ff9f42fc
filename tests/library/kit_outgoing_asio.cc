// The service of kit_outgoing.h on asio.hpp.
#include <asio/io_context.hpp>
#include <handoff/asio.hpp>

#include "kit_outgoing_streams.h"

namespace handoff::test {

int run_outgoing_on_asio(const OutgoingOptions& options) {
  auto service = Service::open({.name = "test", .version = options.version});
  ::asio::io_context io;
  handoff::asio::Host host(io, *service);
  const int result = begin_outgoing<handoff::asio::Stream>(host, options);
  if (result == 0) io.run();
  return result;
}

}  // namespace handoff::test
