// Services whose sessions can be held, and come late over a link.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "libhandoff/sys/process.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {

inline LineServiceOptions holding(const std::string& version) {
  LineServiceOptions options;
  options.version = version;
  options.holds = true;
  return options;
}

class LinkTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> start(const LineServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_line_service(options); });
    owner_ = child->await_message<v1::Owner>(protocol::Type::kOwner);
    address_ = owner_.named(0).address();
    return child;
  }
  // Hands over, and returns the heir once it is the owner; the test looks at the donor itself.
  std::unique_ptr<ServiceProcess> hand_over(ServiceProcess& donor,
                                            const LineServiceOptions& options,
                                            const Terms& terms = {}) {
    auto heir = start_heir(
        donor, ++generation_, [&] { return run_line_service(options); }, terms);
    owner_ = heir->await_message<v1::Owner>(protocol::Type::kOwner);
    return heir;
  }
  static std::uint64_t waiting(ServiceProcess& child) {
    return child.await_message<v1::Late>(protocol::Type::kLate).waiting();
  }
  static void drain(ServiceProcess& child, v1::LatePolicy policy, std::int64_t in_us) {
    v1::Drain order;
    order.set_deadline_us(static_cast<std::uint64_t>(io::now_us() + in_us));
    order.set_policy(policy);
    send(child.control(), protocol::Type::kDrain, order);
  }

  std::uint64_t generation_ = 0;
  v1::Owner owner_;
  std::string address_;
};

// Lines are counted in the session's state, so an answer shows that nothing was lost or done twice.
inline std::string ask(LineClient& client, const std::string& line) {
  client.send(line + "\n");
  return client.line();
}

}  // namespace handoff::test
