// Which Asio the layer of asio.hpp is on: standalone, or Boost's.
#ifndef HANDOFF_DETAIL_ASIO_NET_HPP
#define HANDOFF_DETAIL_ASIO_NET_HPP

#if !defined(HANDOFF_BOOST_ASIO) && __has_include(<asio.hpp>)
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
namespace handoff::asio::net {
using namespace ::asio;  // NOLINT(google-build-using-namespace)
using ErrorCode = ::asio::error_code;
}  // namespace handoff::asio::net
#else
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
namespace handoff::asio::net {
using namespace ::boost::asio;  // NOLINT(google-build-using-namespace)
using ErrorCode = ::boost::system::error_code;
}  // namespace handoff::asio::net
#endif

#endif  // HANDOFF_DETAIL_ASIO_NET_HPP
