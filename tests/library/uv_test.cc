// uv.hpp where its examples don't reach: what the service's own handles do while a donor leaves.
#include <sys/socket.h>
#include <sys/wait.h>

#include <handoff/uv.hpp>

#include "client.h"
#include "harness.h"

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

// Once it has retired, it writes to every connection in each turn of its loop, as a timer might.
int run_ticking() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Ticking>(); },
      [](std::string_view) { return std::make_unique<Ticking>(); });
  host.start();
  uv_prepare_t every_turn;
  uv_prepare_init(&loop, &every_turn);
  every_turn.data = &host;
  uv_prepare_start(&every_turn, [](uv_prepare_t* p) {
    auto& all = *static_cast<uv::Host*>(p->data);
    if (all.service().state() != State::kRetired) return;
    all.for_each([](uv::Stream& s) { s.write("from a retired donor\n"); });
  });
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

TEST(UvTest, ARetiredDonorsOwnHandlesMayGoOnWithoutHarm) {
  Child donor(1, run_ticking);
  const auto owner = donor.await_message<v1::Owner>(Type::kOwner);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 600; ++i) {  // closed in three slices, each a turn of the loop
    clients.push_back(std::make_unique<Client>(owner.named(0).address()));
  }
  for (auto& client : clients) {
    client->send("to the donor\n");
    EXPECT_EQ("to the donor\n", client->line());
  }
  auto pair = io::Channel::make_pair();
  Child::Handoff handoff;
  handoff.channel = std::move(pair->second);
  handoff.peer_pidfd = donor.pidfd();
  Child heir(2, run_ticking, &handoff);
  heir.await_message<v1::Register>(Type::kRegister);
  donor.donate(std::move(pair->first), heir.pidfd());
  EXPECT_EQ(600U, heir.await_message<v1::Owner>(Type::kOwner).sessions());
  const int status = donor.wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  for (auto& client : clients) {
    client->send("to the heir\n");
    ASSERT_EQ("to the heir\n", client->line());
  }
}

}  // namespace
}  // namespace handoff::test
