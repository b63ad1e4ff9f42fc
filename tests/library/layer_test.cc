// Bytes of a layer between service and library (handoff_save_layer()): they go with the session,
// and no conversion of its state sees them.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "handoff/handoff.hpp"
#include "link_fixture.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// Has one session from the first generation on. Its answer to "a" is its state and its layer.
struct LayerService {
  std::uint32_t state_version = 1;
  bool early = false;
  std::string layer = {};  // of the first generation
  bool puts = false;       // the session's state is put, and not saved
  std::string told = {};

  int run(const std::string& version) {
    auto service =
        Service::open({.name = "test", .version = version, .state_version = state_version});
    if (state_version == 2) {
      service->on_upgrade_state(1, 2, [this](std::string_view state) {
        told += state;
        return std::string(state) + "-2";
      });
    }
    bool over = false;
    std::string state = "state";
    int fd = -1;
    service->listener("public", "tcp:127.0.0.1:0");
    const auto now = [&] {
      Saved saved(state);
      saved.layer = layer;
      if (puts) saved.input_at = Stretch{7, "input"};  // the output has no position
      return saved;
    };
    if (!puts) service->on_save([&](SessionId) { return now(); });
    const auto take = [&](Adopted a) {
      if (const int taken = a.take_fd(); taken >= 0) fd = taken;
      state = a.state();
      layer = a.layer();
      told += a.input();
    };
    service->on_restore(take);
    if (early) service->on_update(take);
    service->on_retired([&](std::uint64_t) { over = true; });
    service->on_stop([&](std::uint64_t) { over = true; });
    try {
      service->ready();
    } catch (const Exception&) {
      return 3;
    }
    while (!over) {
      std::array<pollfd, 3> fds{pollfd{service->fd(), POLLIN, 0}, pollfd{fd, POLLIN, 0},
                                pollfd{fd < 0 ? service->named_fd("public") : -1, POLLIN, 0}};
      if (::poll(fds.data(), fds.size(), -1) < 0) return 2;
      if (fds[0].revents != 0) {
        service->dispatch();
        continue;
      }
      if (fds[2].revents != 0) {
        fd = ::accept4(service->named_fd("public"), nullptr, nullptr, SOCK_CLOEXEC);
        const SessionId id = service->session_open(fd);
        if (puts) service->session_put(id, now());
      }
      std::array<char, 64> line{};
      if (fds[1].revents != 0 && ::recv(fd, line.data(), line.size(), MSG_DONTWAIT) > 0) {
        const std::string answer = state + " " + layer + " " + told + "\n";
        (void)::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
    }
    return 0;
  }
};

class LayerTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> start(const LayerService& service) {
    auto child =
        std::make_unique<ServiceProcess>(1, [&] { return LayerService(service).run("1"); });
    const auto owner = child->await_message<v1::Owner>(Type::kOwner);
    client_ = std::make_unique<LineClient>(owner.named(0).address());
    EXPECT_EQ("state " + service.layer + " \n", ask(*client_, "a"));
    return child;
  }
  std::unique_ptr<LineClient> client_;
};

TEST_F(LayerTest, GoesWithTheSessionAndNoStepSeesIt) {
  for (const bool early : {false, true}) {
    for (const std::size_t length : {std::size_t{3}, std::size_t{HANDOFF_LAYER_MAX}}) {
      const std::string key(length, 'k');
      auto donor = start({.layer = key});
      auto heir = start_heir(
          *donor, 2, [&] { return LayerService{.state_version = 2, .early = early}.run("2"); });
      heir->await_message<v1::Owner>(Type::kOwner);
      donor->await_message<v1::Retired>(Type::kRetired);
      const std::string answer = ask(*client_, "a");
      EXPECT_TRUE(answer.starts_with("state-2 " + key + " state")) << answer;
      EXPECT_EQ(std::string::npos, answer.find('k', answer.find(key) + length))
          << "a step saw it: " << answer;
    }
  }
}

TEST_F(LayerTest, OneThatIsPutGoesAlike) {
  const std::string key(HANDOFF_LAYER_MAX, 'k');
  auto donor = start({.layer = key, .puts = true});
  auto heir = start_heir(*donor, 2, [] { return LayerService{.state_version = 2}.run("2"); });
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  const std::string answer = ask(*client_, "a");
  EXPECT_TRUE(answer.starts_with("state-2 " + key + " state")) << answer.substr(0, 100);
  EXPECT_TRUE(answer.ends_with("input\n")) << "what has a position that counts for nothing";
}

TEST_F(LayerTest, MoreThanItsMostCantBeSaved) {
  auto donor = start({.layer = std::string(HANDOFF_LAYER_MAX + 1, 'k')});
  auto heir = start_heir(*donor, 2, [&] { return LayerService{}.run("2"); });
  const auto failed = donor->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("save() of session"));
}

}  // namespace
}  // namespace handoff::test
