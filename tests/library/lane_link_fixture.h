// Services with several lanes whose sessions can be held, and come late over a link. lane_service
// ends at once where a callback comes on another thread than its lane's.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lane_service.h"
#include "libhandoff/sys/process.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {

inline LaneServiceOptions holding_lanes(std::uint32_t lanes, const std::string& version) {
  LaneServiceOptions options;
  options.lanes = lanes;
  options.version = version;
  options.holds = true;
  return options;
}

class LaneLinkTest : public ::testing::Test {
 protected:
  struct Client {
    std::unique_ptr<LineClient> line;
    std::uint64_t count = 0;
  };

  std::unique_ptr<ServiceProcess> start(const LaneServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_lane_service(options); });
    owner_ = child->await_message<v1::Owner>(protocol::Type::kOwner);
    return child;
  }
  std::unique_ptr<ServiceProcess> begin(ServiceProcess& donor, const LaneServiceOptions& options,
                                        Terms terms = {}) {
    terms.id = ++handoff_;
    return start_heir(
        donor, ++generation_, [&] { return run_lane_service(options); }, terms);
  }
  // Returns the heir once it is the owner.
  std::unique_ptr<ServiceProcess> hand_over(ServiceProcess& donor,
                                            const LaneServiceOptions& options,
                                            const Terms& terms = {}) {
    auto heir = begin(donor, options, terms);
    owner_ = heir->await_message<v1::Owner>(protocol::Type::kOwner);
    return heir;
  }
  static v1::Late late(ServiceProcess& child) {
    return child.await_message<v1::Late>(protocol::Type::kLate);
  }
  // What the supervisor does where there is no link to a late process.
  static void relink(ServiceProcess& late, ServiceProcess& owner) {
    auto [late_end, owners_end] = make_channel();
    v1::Relink order;
    order.set_budget_us(5'000'000);
    send(late.control(), protocol::Type::kRelink, order, {late_end.get(), owner.pidfd()});
    send(owner.control(), protocol::Type::kRelink, order, {owners_end.get(), late.pidfd()});
  }
  static void drain(ServiceProcess& child, v1::LatePolicy policy) {
    v1::Drain order;
    order.set_deadline_us(static_cast<std::uint64_t>(io::now_us()));
    order.set_policy(policy);
    send(child.control(), protocol::Type::kDrain, order);
  }

  void connect(int clients) {
    for (int i = 0; i < clients; ++i) {
      clients_.push_back({std::make_unique<LineClient>(owner_.named(0).address())});
      ASSERT_NO_FATAL_FAILURE(say(clients_.back(), "hello"));
    }
  }
  static void say(Client& client, const std::string& line) {
    client.line->send(line + "\n");
    ASSERT_EQ(std::to_string(++client.count) + " " + line + "\n", client.line->line());
  }
  // The release and lane that serve this client: "<version>.<lane>".
  static std::string server_of(Client& client) {
    const std::string before = std::to_string(++client.count) + " ";
    client.line->send("who\n");
    const std::string line = client.line->line();
    EXPECT_TRUE(line.starts_with(before)) << line;
    return line.size() < before.size()
               ? line
               : line.substr(before.size(), line.size() - before.size() - 1);
  }
  // Every third client of each lane is held.
  std::vector<Client*> hold_some() {
    std::vector<Client*> held;
    std::map<std::string, int> seen;
    for (Client& client : clients_) {
      if (seen[server_of(client)]++ % 3 != 0) continue;
      say(client, "hold");
      held.push_back(&client);
    }
    return held;
  }
  // One client of each lane of release 1 is held, in the order of the lanes.
  std::vector<Client*> hold_one_of_each(std::uint32_t lanes) {
    std::vector<Client*> held;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      for (Client& client : clients_) {
        if (server_of(client) != "1." + std::to_string(lane)) continue;
        say(client, "hold");
        held.push_back(&client);
        break;
      }
    }
    EXPECT_EQ(lanes, held.size());
    return held;
  }
  static void release(const std::vector<Client*>& held) {
    for (Client* client : held) say(*client, "release");
  }
  static void expect_retired(ServiceProcess& donor) {
    donor.await_message<v1::Retired>(protocol::Type::kRetired);
    EXPECT_EQ(0, donor.wait());
  }
  static std::set<std::string> lanes_of(const std::string& version, std::uint32_t lanes) {
    std::set<std::string> all;
    for (std::uint32_t i = 0; i < lanes; ++i) all.insert(version + "." + std::to_string(i));
    return all;
  }
  static std::set<std::string> servers_of(const std::vector<Client*>& clients) {
    std::set<std::string> all;
    for (Client* client : clients) all.insert(server_of(*client));
    return all;
  }

  std::uint64_t generation_ = 0;
  std::uint64_t handoff_ = 0;
  v1::Owner owner_;
  std::vector<Client> clients_;
};

}  // namespace handoff::test
