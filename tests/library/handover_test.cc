// Handovers that succeed, between real processes: every kind of fd, sessions that are open, change,
// come and go during the copy, states too large for a frame, and conversions both ways.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <map>
#include <optional>

#include "handover_fixture.h"
#include "libhandoff/sys/process.h"
#include "support/clients/line_client.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::Contains;

TEST_F(HandoverTest, EveryKindOfFdMovesAndStaysTheSameSocket) {
  const LineServiceOptions one{.version = "1", .all_fds = true, .folder = folder_};
  const LineServiceOptions two{.version = "2", .all_fds = true, .folder = folder_};
  auto donor = start(one);
  LineClient four(address("public")), six(address("six")), local(address("unix")),
      udp(address("udp"));
  for (LineClient* client : {&four, &six, &local}) {
    client->send("a\n");
    EXPECT_EQ("1 a\n", client->line());
  }
  udp.send("x");
  EXPECT_EQ("1 x", udp.datagram());
  const v1::Owner before = owner_;

  auto heir = hand_over(*donor, two);
  EXPECT_EQ(3U, owner_.sessions());
  for (const auto& named : before.named()) {
    const auto same = std::find_if(owner_.named().begin(), owner_.named().end(),
                                   [&](const auto& n) { return n.name() == named.name(); });
    ASSERT_NE(owner_.named().end(), same) << named.name();
    EXPECT_EQ(named.inode(), same->inode()) << named.name();
    EXPECT_EQ(named.address(), same->address());
  }
  for (LineClient* client : {&four, &six, &local}) {
    client->send("b\n");
    EXPECT_EQ("2 b\n", client->line());
  }
  udp.send("y");
  EXPECT_EQ("2 y", udp.datagram());
  LineClient late(address("unix"));
  late.send("c\n");
  EXPECT_EQ("1 c\n", late.line());

  // The plain file went over as the same open file, with its offset.
  std::ifstream log(folder_ + "/log");
  std::string text((std::istreambuf_iterator<char>(log)), {});
  EXPECT_EQ("1 x\n2 y\n", text);
}

// A supervisor is told of them if it asks.
TEST_F(HandoverTest, AProcessThatASessionNeedsGoesAlong) {
  const LineServiceOptions options;
  auto donor = start(options);
  const auto processes = [](ServiceProcess& service, bool asks = true) {
    v1::Query query;
    query.set_processes(asks);
    send(service.control(), Type::kQuery, query);
    const auto status = service.await_message<v1::Status>(Type::kStatus);
    EXPECT_FALSE(status.more());
    std::map<std::uint32_t, std::uint64_t> out;
    for (const auto& one : status.processes()) out[one.pid()] = one.started();
    return out;
  };
  EXPECT_TRUE(processes(*donor).empty());
  const Process one(wait_to_be_killed);
  const Process two(wait_to_be_killed);
  LineClient first(address("public")), third(address("public"));
  std::optional<LineClient> second(address("public"));
  const auto needs = [](LineClient& client, pid_t pid) {
    client.send("needs " + std::to_string(pid) + "\n");
    (void)client.line();
  };
  needs(first, one.pid());
  needs(*second, two.pid());
  needs(third, one.pid());
  needs(third, 0);
  const std::map<std::uint32_t, std::uint64_t> both{{one.pid(), io::started_at(one.pid())},
                                                    {two.pid(), io::started_at(two.pid())}};
  EXPECT_EQ(both, processes(*donor));
  EXPECT_TRUE(processes(*donor, false).empty()) << "nobody has asked";

  auto heir = hand_over(*donor, options);
  EXPECT_EQ(both, processes(*heir));
  second.reset();
  first.send("x\n");
  EXPECT_EQ("2 x\n", first.line());
  EXPECT_EQ(1U, processes(*heir).size()) << "it ended with its session";
}

// More named fds than one frame takes, and names that nobody has an fd for.
TEST_F(HandoverTest, AHundredNamedFilesGoAlong) {
  const auto claim = [](Service& s) {
    for (int i = 0; i < 110; ++i) s.claim("file-" + std::to_string(i));
  };
  LineServiceOptions one;
  one.adjust = claim;
  one.on_ready = [this](Service& s) {
    for (int i = 0; i < 100; ++i) {
      const std::string path = folder_ + "/" + std::to_string(i);
      s.attach("file-" + std::to_string(i), ::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
    }
  };
  LineServiceOptions two;
  two.adjust = claim;
  two.on_ready = [](Service& s) {
    for (int i = 0; i < 110; ++i) {
      const int fd = s.named_fd("file-" + std::to_string(i));
      if ((fd >= 0) != (i < 100)) throw std::runtime_error("file-" + std::to_string(i));
      if (fd >= 0 && ::write(fd, std::to_string(i).data(), std::to_string(i).size()) < 0) {
        throw std::runtime_error("write");
      }
    }
  };
  auto donor = start(one);
  auto heir = hand_over(*donor, two);
  LineClient client(address("public"));  // answered once on_ready() is through
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  for (int i = 0; i < 100; ++i) {
    std::ifstream file(folder_ + "/" + std::to_string(i));
    std::string text;
    file >> text;
    EXPECT_EQ(std::to_string(i), text);
  }
}

TEST_F(HandoverTest, HalfALineGoesAlong) {
  auto donor = start({});
  LineClient client(address("public"));
  client.send("one\nhal");
  EXPECT_EQ("1 one\n", client.line());
  auto heir = hand_over(*donor, {.version = "2"});
  client.send("f\n");
  EXPECT_EQ("2 half\n", client.line());
}

// The five ways in which sessions may be kept and restored.
struct Way {
  const char* name;
  bool tracked, early, independent;
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }
class WayTest : public HandoverTest, public ::testing::WithParamInterface<Way> {};

TEST_P(WayTest, SessionsGoOnThroughManyHandovers) {
  LineServiceOptions options{.tracked = GetParam().tracked,
                             .independent = GetParam().independent,
                             .early_restore = GetParam().early};
  auto owner = start(options);
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 300; ++i) {  // more than one frame's fds
    clients.push_back(std::make_unique<LineClient>(address("public")));
  }
  for (int round = 1; round <= 5; ++round) {
    for (auto& client : clients) client->send("x\n");
    for (auto& client : clients) {
      ASSERT_EQ(std::to_string(round) + " x\n", client->line());
    }
    owner = hand_over(*owner, options);
    ASSERT_EQ(300U, owner_.sessions());
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, WayTest,
                         ::testing::Values(Way{"TrackedLate", true, false, false},
                                           Way{"TrackedEarly", true, true, false},
                                           Way{"UntrackedLate", false, false, false},
                                           Way{"UntrackedEarly", false, true, false},
                                           Way{"Independent", true, true, true}),
                         [](const auto& way) { return way.param.name; });

// What the service does between handoff_wait() and its loop's first turn is no part of the freeze.
// Nothing is waited for: the 50 ms are what a slow service takes, and what is to be measured.
TEST_F(HandoverTest, AnHeirSaysSinceWhenItOwnsAndWhenItsLoopTurns) {
  auto donor = start({.version = "1"});
  EXPECT_EQ(0U, owner_.owned_at_ns());
  LineServiceOptions two{.version = "2"};
  two.on_ready = [](Service&) { ::usleep(50'000); };
  auto heir = hand_over(*donor, two);
  EXPECT_LE(owner_.frozen_at_ns(), owner_.owned_at_ns());
  EXPECT_GE(owner_.running_at_ns(), owner_.owned_at_ns() + 50'000'000);
}

TEST_F(HandoverTest, AStateTooLargeForAFrameTravelsInAMemfd) {
  const std::string big(8 << 20, 'z');
  const auto save = [&](SessionId) { return "7 " + big; };
  auto donor = start({.save = save});
  LineClient client(address("public"));
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  auto heir = hand_over(*donor, {.version = "2"});
  client.send("b\n");
  EXPECT_EQ("8 b\n", client.line());
}

TEST_F(HandoverTest, AnOlderStateIsConvertedByTheNewerHeir) {
  auto donor = start({.state_version = 1});
  LineClient client(address("public"));
  client.send("a\n");
  EXPECT_EQ("1 a\n", client.line());
  LineServiceOptions newer{.version = "2", .state_version = 2};
  newer.adjust = [](Service& s) {
    s.on_upgrade_state(1, 2, [](std::string_view in) { return "1" + std::string(in); });
    s.on_downgrade_state(2, 1, [](std::string_view in) { return "2" + std::string(in); });
  };
  auto heir = hand_over(*donor, newer);
  client.send("b\n");
  EXPECT_EQ("12 b\n", client.line());  // "1" became "11"
  auto back = hand_over(*heir, {.version = "1", .state_version = 1});
  client.send("c\n");
  EXPECT_EQ("213 c\n", client.line());  // "12" became "212", by the newer donor
}

TEST_F(HandoverTest, WithoutASupervisorItBindsItsOwnListenersAndRuns) {
  std::array<int, 2> ends{};
  ASSERT_EQ(0, ::pipe(ends.data()));
  const UniqueFd told(ends[0]);
  UniqueFd tells(ends[1]);
  Process alone(
      [&tells] {
        auto s = Service::open({.name = "alone", .version = "1"});
        s->listener("public", "tcp:127.0.0.1:0");
        s->ready();
        const std::string address = s->named_address("public");
        const bool right = !s->supervised() && s->state() == State::kOwner && s->generation() == 0;
        if (::write(tells.get(), address.data(), address.size()) < 0 || !right) return 1;
        for (int clients = 0; clients < 2; ++clients) {
          if (!readable(s->named_fd("public"))) return 1;
          if (::accept(s->named_fd("public"), nullptr, nullptr) < 0) return 1;
        }
        return 0;
      },
      tells.get());
  tells.reset();
  std::array<char, 128> address{};
  ASSERT_GT(::read(told.get(), address.data(), address.size() - 1), 0);
  LineClient first(std::string(address.data())), second(std::string(address.data()));
  EXPECT_EQ(0, alone.wait());
}

}  // namespace
}  // namespace handoff::test
