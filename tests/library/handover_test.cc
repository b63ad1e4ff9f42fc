// Handovers that succeed, between real processes: every kind of fd, sessions that are open, change,
// come and go during the copy, states too large for a frame, sections, and conversions both ways.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::Contains;

class HandoverTest : public ::testing::Test {
 protected:
  std::unique_ptr<ServiceProcess> start(const LineServiceOptions& options) {
    auto child =
        std::make_unique<ServiceProcess>(++generation_, [&] { return run_line_service(options); });
    owner_ = child->await_message<v1::Owner>(Type::kOwner);
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
    owner_ = heir->await_message<v1::Owner>(Type::kOwner);
    const auto retired = donor.await_message<v1::Retired>(Type::kRetired);
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

// Gives a section of many records; counts and sums up the records that it gets.
class CountingSection : public Section {
 public:
  explicit CountingSection(std::uint64_t records, std::size_t size) : have(records), size_(size) {}
  void begin(std::uint32_t) override { at_ = 0; }
  bool next(Phase phase, std::string& record) override {
    if (phase != Phase::kSnapshot || at_ == have) return false;
    record = std::to_string(at_) + std::string(size_, static_cast<char>('a' + at_ % 26));
    ++at_;
    return true;
  }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view record) override {
    const std::string number = std::to_string(have);
    if (!record.starts_with(number) || record.size() != number.size() + size_ ||
        record.find_first_not_of(static_cast<char>('a' + have % 26), number.size()) !=
            std::string_view::npos) {
      throw std::runtime_error("record " + number + " is not as it was");
    }
    ++have;
  }
  void reset() override { have = 0; }
  std::uint64_t have;

 private:
  std::uint64_t at_ = 0;
  std::size_t size_;
};

TEST_F(HandoverTest, SectionsArriveWholeWhateverTheSizeOfTheirRecords) {
  for (const auto& [records, size] : std::vector<std::pair<std::uint64_t, std::size_t>>{
           {0, 0}, {1, 0}, {100'000, 10}, {3, 5 << 20}, {1000, 70'000}}) {
    SCOPED_TRACE(std::to_string(records) + " records of " + std::to_string(size));
    CountingSection full(records, size);
    CountingSection empty(0, size);
    const std::uint64_t expected = records;
    LineServiceOptions from;
    from.adjust = [&](Service& s) { s.section("data", full, {1}, {1}); };
    LineServiceOptions to;
    to.adjust = [&](Service& s) { s.section("data", empty, {1}, {1}); };
    to.on_restore = [&](SessionId) {};
    auto donor = start(from);
    LineClient client(address("public"));
    client.send("a\n");
    EXPECT_EQ("1 a\n", client.line());
    to.save = [&](SessionId) { return std::to_string(empty.have); };
    auto heir = hand_over(*donor, to);
    // The heir's count is part of what it saves, so the next generation shows it.
    LineServiceOptions last;
    CountingSection ignored(0, size);
    last.adjust = [&](Service& s) { s.section("data", ignored, {1}, {1}); };
    auto third = hand_over(*heir, last);
    client.send("b\n");
    EXPECT_EQ(std::to_string(expected + 1) + " b\n", client.line());
  }
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
