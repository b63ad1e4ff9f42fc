// A line service that is handed over from one real process to the next.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "line_service.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"

namespace handoff::test {

class HandoverTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> start(const LineServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_line_service(options); });
    owner_ = child->await_message<v1::Owner>(protocol::Type::kOwner);
    return child;
  }
  std::string address(const std::string& name) const {
    for (const auto& named : owner_.named()) {
      if (named.name() == name) return named.address();
    }
    return "none";
  }
  // Starts an heir and lets the donor hand over; returns the heir once it is the owner.
  std::unique_ptr<ServiceProcess> hand_over(ServiceProcess& donor,
                                            const LineServiceOptions& options) {
    auto heir = start_heir(donor, ++generation_, [&] { return run_line_service(options); });
    owner_ = heir->await_message<v1::Owner>(protocol::Type::kOwner);
    const auto retired = donor.await_message<v1::Retired>(protocol::Type::kRetired);
    EXPECT_EQ(owner_.sessions(), retired.sessions());
    // The donor's timestamps come in this order.
    EXPECT_LT(0U, retired.first_fd_at_ns());
    EXPECT_LE(retired.first_fd_at_ns(), retired.frozen_at_ns());
    EXPECT_LE(retired.frozen_at_ns(), retired.at_ns());
    EXPECT_EQ(0U, owner_.lost());
    EXPECT_EQ(0, donor.wait());
    return heir;
  }

  TempDir dir_;
  const std::string folder_ = dir_.path();
  std::uint64_t generation_ = 0;
  v1::Owner owner_;
};

}  // namespace handoff::test
