#include "libhandoff/process/orders.h"

namespace handoff::io {
namespace {

template <class Order, class CarryOut>
Result<bool> decoded(const Channel::Message& message, CarryOut&& carry_out) {
  const auto order = protocol::decode<Order>(message.body);
  if (!order) return Failure(order.error());
  carry_out(*order);
  return true;
}

}  // namespace

Result<bool> obey(Channel::Message& message, Orders& orders) {
  using protocol::Type;
  switch (message.header.type) {
    case Type::kDonate:
      return decoded<protocol::Donate>(
          message, [&](const auto& order) { orders.donate(order, message.fds); });
    case Type::kStop:
      return decoded<protocol::Stop>(message, [&](const auto& order) { orders.stop(order); });
    case Type::kQuery:
      return decoded<protocol::Query>(message,
                                      [&](const auto& query) { orders.tell_status(query); });
    case Type::kRelink:
      return decoded<protocol::Relink>(
          message, [&](const auto& order) { orders.relink(order, message.fds); });
    case Type::kSpread:
      return decoded<protocol::Spread>(message, [&](const auto& order) { orders.spread(order); });
    case Type::kDrain:
      return decoded<protocol::Drain>(message, [&](const auto& order) { orders.drain(order); });
    case Type::kCancel:
      return decoded<protocol::Cancel>(message, [&](const auto& order) { orders.cancel(order); });
    default:
      return false;
  }
}

}  // namespace handoff::io
