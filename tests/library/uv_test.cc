// uv.hpp in a case that neither the examples nor the suite over all layers (kit*) reach: the own
// handles of a donor that leaves.
#include <gtest/gtest.h>

#include <handoff/uv.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

class Ticking : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    write(input);
    return input.size();
  }
  std::string save() const override { return "s"; }
};

// A donor that, once retired, writes to every connection in each turn of its loop, as a timer
// might.
int run_ticking() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Ticking>(); },
      [](std::string_view) { return std::make_unique<Ticking>(); });
  host.start();
  uv_prepare_t prepare;
  uv_prepare_init(&loop, &prepare);
  prepare.data = &host;
  uv_prepare_start(&prepare, [](uv_prepare_t* p) {
    auto& all = *static_cast<uv::Host*>(p->data);
    if (all.service().state() != State::kRetired) return;
    all.for_each([](uv::Stream& s) { s.write("from a retired donor\n"); });
  });
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, ARetiredDonorsOwnHandlesMayGoOnWithoutHarm) {
  ServiceProcess donor(1, run_ticking);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 600; ++i) {
    clients.push_back(std::make_unique<LineClient>(owner.named(0).address()));
  }
  for (auto& client : clients) {
    client->send("to the donor\n");
    EXPECT_EQ("to the donor\n", client->line());
  }
  const auto heir = start_heir(donor, 2, run_ticking);
  EXPECT_EQ(600U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, donor.wait());
  for (auto& client : clients) {
    client->send("to the heir\n");
    ASSERT_EQ("to the heir\n", client->line());
  }
}

}  // namespace
}  // namespace handoff::test
