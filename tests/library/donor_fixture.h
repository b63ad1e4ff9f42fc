// A real donor with three clients, for heirs of the test's own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/proc.h"

namespace handoff::test {

class DonorFaultsTest : public ::testing::Test {
 protected:
  void start(const LineServiceOptions& options = {}) {
    donor_ = std::make_unique<ServiceProcess>(1, [&] { return run_line_service(options); });
    const auto owner = donor_->await_message<v1::Owner>(protocol::Type::kOwner);
    address_ = owner.named(0).address();
    for (int i = 0; i < 3; ++i) {
      clients_.push_back(std::make_unique<LineClient>(address_));
      clients_.back()->send("a\n");
      ASSERT_EQ("1 a\n", clients_.back()->line());
    }
    before_ = open_files(donor_->pid());
  }

  // Expects that the donor serves on: it has said Failed, and has the fds of before, so the heir's
  // channel and pidfd are closed.
  void expect_serving_on(v1::Code code) {
    const auto failed = donor_->await_message<v1::Failed>(protocol::Type::kFailed);
    EXPECT_EQ(code, failed.code()) << failed.reason();
    EXPECT_FALSE(failed.reason().empty());
    for (auto& client : clients_) {
      client->send("b\n");
      EXPECT_EQ("2 b\n", client->line());
    }
    expect_fds_of_before();
    // The donor can begin another handoff.
    RawHeir again(*donor_);
    again.send_hello();
    EXPECT_FALSE(again.await(protocol::Type::kCopyEnd).closed);
  }

  // Of an heir that lives on the donor keeps the pidfd, by which it hears that the heir has closed
  // the sockets that both have.
  void expect_fds_of_before() {
    EXPECT_THAT(difference(before_, open_files(donor_->pid())),
                ::testing::AnyOf("", "+anon_inode:[pidfd]"));
  }

  std::unique_ptr<ServiceProcess> donor_;
  std::string address_;
  std::vector<std::unique_ptr<LineClient>> clients_;
  std::multiset<std::string> before_;
};

}  // namespace handoff::test
