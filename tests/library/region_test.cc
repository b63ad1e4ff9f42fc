// Regions between real processes: memory that is written and grown until the switch, refusals, and
// deaths at any step.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <optional>
#include <sstream>

#include "libhandoff/service/region.h"
#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/peers/raw_peer.h"
#include "support/peers/service_process.h"
#include "support/process/proc.h"
#include "support/process/process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

constexpr std::size_t kSize = std::size_t{1} << 20;
constexpr std::size_t kMax = std::size_t{1} << 30;

struct RegionService {
  std::string version = "1";
  std::vector<std::uint32_t> reads = {1};
  std::uint32_t layout = 1;
  std::size_t max_size = kMax;
  bool rejects = false;
  bool holds = false;
};

// Carries out "put AT VALUE", "get AT", "grow SIZE", "layout", "layout V", or "how" (how the
// process has come by the region).
std::string obey(const Region& region, bool emptied, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::size_t number = 0;
  int value = 0;
  words >> verb >> number >> value;
  try {
    if ((verb == "put" || verb == "get") && number >= region.bytes().size()) return "not there";
    if (verb == "put") region.bytes()[number] = static_cast<std::byte>(value);
    if (verb == "get") return std::to_string(static_cast<int>(region.bytes()[number]));
    if (verb == "grow") region.grow(number);
    if (verb == "layout" && number != 0) region.set_version(static_cast<std::uint32_t>(number));
    if (verb == "layout") return std::to_string(region.version());
    if (verb == "how") return region.adopted() ? "adopted" : emptied ? "emptied" : "new";
  } catch (const Exception& e) {
    return e.what();
  }
  return std::to_string(region.bytes().size());
}

int run(const RegionService& how) {
  std::optional<Region> region;
  const Service* service = nullptr;
  bool emptied = false;
  LineServiceOptions options{.version = how.version, .holds = how.holds};
  options.adjust = [&](Service& s) {
    service = &s;
    region = s.region(
        "table", how.reads, how.layout, how.max_size,
        [&](std::uint32_t version, std::span<const std::byte> bytes) {
          if (how.rejects) {
            throw std::runtime_error("layout " + std::to_string(version) + " of " +
                                     std::to_string(bytes.size()) + " bytes is torn");
          }
        },
        [&] { emptied = true; });
  };
  options.on_restore = [&](SessionId) {
    if (service->state() == State::kHeir && !region->bytes().empty())
      throw std::runtime_error("it is the donor's still");
  };
  options.answer = [&](const std::string& line) -> std::optional<std::string> {
    if (line == "hold" || line == "release" || line == "who") return std::nullopt;
    return obey(*region, emptied, line);
  };
  return run_line_service(options);
}

// A service with one client, whose region has a page of its own mark.
class RegionTest : public ::testing::Test {
 protected:
  void start(const RegionService& how = {}) {
    donor_ = std::make_unique<ServiceProcess>(++generation_, [=] { return run(how); });
    client_.emplace(donor_->await_message<v1::Owner>(Type::kOwner).named(0).address());
    ASSERT_EQ("0", say("size"));
    ASSERT_EQ(std::to_string(kSize), say("grow " + std::to_string(kSize)));
    say("put 5 77");
  }
  std::string say(const std::string& line) { return client_->ask(line); }

  // Starts an heir, and tells the donor to hand over to it.
  std::unique_ptr<ServiceProcess> begin_handing_over(const RegionService& to) {
    return start_heir(*donor_, ++generation_, [=] { return run(to); });
  }
  v1::Retired hand_over(const RegionService& to) {
    auto heir = begin_handing_over(to);
    heir->await_message<v1::Owner>(Type::kOwner);
    const auto retired = donor_->await_message<v1::Retired>(Type::kRetired);
    EXPECT_EQ(0, donor_->wait());
    donor_ = std::move(heir);
    return retired;
  }
  void expect_as_it_was() {
    EXPECT_EQ(std::to_string(kSize), say("size"));
    EXPECT_EQ("77", say("get 5"));
    EXPECT_EQ("new", say("how"));
    say("put 5 78");
    EXPECT_EQ(std::to_string(2 * kSize), say("grow " + std::to_string(2 * kSize)));
    hand_over({.version = "3"});
    EXPECT_EQ("78", say("get 5"));
  }

  std::unique_ptr<ServiceProcess> donor_;
  std::optional<LineClient> client_;
  std::uint64_t generation_ = 0;
};

TEST_F(RegionTest, GoesFromReleaseToReleaseWithWhatIsInItAndNothingIsCopied) {
  start();
  const auto retired = hand_over({.version = "2"});
  EXPECT_LT(retired.bytes(), 1000U);
  EXPECT_EQ("adopted", say("how"));
  EXPECT_EQ("77", say("get 5"));
  EXPECT_EQ(std::to_string(5 * kSize), say("grow " + std::to_string(5 * kSize)));
  say("put " + std::to_string(5 * kSize - 1) + " 9");
  hand_over({.version = "1"});
  EXPECT_EQ("77", say("get 5"));
  EXPECT_EQ("9", say("get " + std::to_string(5 * kSize - 1)));
  EXPECT_EQ("0", say("get 4"));
}

TEST_F(RegionTest, AnHeirThatSaysNoLeavesItToTheDonorAsItWas) {
  start();
  auto heir = begin_handing_over({.version = "2", .rejects = true});
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("region 'table': adopt() failed: layout 1 of 1048576"));
  EXPECT_EQ(3, heir->wait());
  expect_as_it_was();
}

TEST_F(RegionTest, AnHeirForWhichItIsTooLargeIsRefused) {
  start();
  auto heir = begin_handing_over({.version = "2", .max_size = kSize - 1});
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("at most 1048575 bytes"));
  heir->wait();
  expect_as_it_was();
}

TEST_F(RegionTest, ALayoutIsTakenRewrittenByTheNewerReleaseAndThenNoLongerGoesBack) {
  start();
  hand_over({.version = "2", .reads = {1, 2}, .layout = 2});
  EXPECT_EQ("1", say("layout")) << "as the donor left it";
  hand_over({.version = "1"});  // so there is a way back
  hand_over({.version = "2", .reads = {1, 2}, .layout = 2});
  EXPECT_EQ("2", say("layout 2"));
  auto heir = begin_handing_over({.version = "1"});
  const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::VERSION, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr("region 'table': release 2 writes 2"));
  heir->wait();
  EXPECT_EQ("77", say("get 5"));
  EXPECT_EQ("1", say("layout 1"));
  hand_over({.version = "1"});
}

TEST_F(RegionTest, AHeldSessionThatStaysSeesNoRegionAnyMore) {
  start({.holds = true});
  EXPECT_EQ("77", say("get 5"));
  EXPECT_THAT(say("hold"), HasSubstr("hold"));
  auto heir = begin_handing_over({.version = "2", .holds = true});
  const auto owner = heir->await_message<v1::Owner>(Type::kOwner);
  donor_->await_message<v1::Late>(Type::kLate);
  EXPECT_EQ("0", say("size"));
  EXPECT_EQ("not there", say("get 5"));
  EXPECT_THAT(say("grow 1"), HasSubstr("is not this process's"));
  LineClient other(owner.named(0).address());
  EXPECT_EQ("77", other.ask("get 5"));
  client_->send("release\n");
  EXPECT_THAT(client_->line(), HasSubstr("release"));
  donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ("77", say("get 5")) << "it has moved to where the region is";
}

v1::Kind* add_table(v1::Manifest& manifest) {
  auto* kind = manifest.add_kinds();
  kind->set_name("table");
  kind->set_region(true);
  kind->set_version(1);
  kind->add_reads(1);
  kind->add_writes(1);
  return kind;
}

// An heir that the test plays, up to the message Region.
class RawRegionHeir {
 public:
  explicit RawRegionHeir(ServiceProcess& donor) : heir_(donor) {
    v1::Hello hello = heir_.hello();
    add_table(*hello.mutable_manifest());
    heir_.send_hello(hello);
    Frame frame = heir_.await(Type::kRegion);
    EXPECT_TRUE(announced_.ParseFromString(frame.body));
    EXPECT_EQ(1U, frame.fds.size());
    if (!frame.fds.empty()) fd_ = std::move(frame.fds[0]);
    v1::Ack ack;
    ack.set_frames(heir_.channel().frames_received());
    send(heir_.channel(), Type::kAck, ack);
  }
  RawHeir* operator->() { return &heir_; }
  const v1::Region& announced() const { return announced_; }
  int byte_at(off_t at) const {
    unsigned char byte = 0;
    EXPECT_EQ(1, ::pread(fd_.get(), &byte, 1, at));
    return byte;
  }
  std::size_t size() const {
    struct stat info {};
    EXPECT_EQ(0, ::fstat(fd_.get(), &info));
    return static_cast<std::size_t>(info.st_size);
  }

 private:
  RawHeir heir_;
  v1::Region announced_;
  UniqueFd fd_;
};

TEST_F(RegionTest, TheDonorGoesOnWritingAndGrowingItDuringTheCopy) {
  start();
  RawRegionHeir heir(*donor_);
  EXPECT_EQ(1U, heir.announced().kind()) << "after the one kind of session";
  EXPECT_EQ(kSize, heir.announced().size());
  EXPECT_EQ(77, heir.byte_at(5));
  say("put 5 79");
  EXPECT_EQ(79, heir.byte_at(5));
  EXPECT_EQ(std::to_string(3 * kSize), say("grow " + std::to_string(3 * kSize)));
  EXPECT_EQ(3 * kSize, heir.size());
  EXPECT_THAT(say("layout 1"), HasSubstr("a handoff is under way"));
  heir->reach_release();
  ASSERT_TRUE(heir->claim());
  send_raw(heir->channel(), Type::kResumed, "");
  donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(0, donor_->wait());
}

TEST_F(RegionTest, AnHeirThatDiesWithItInItsHandsLeavesItToTheDonorAsItWas) {
  start();
  for (const bool prepared : {false, true}) {
    const auto before = open_files(donor_->pid());
    RawRegionHeir heir(*donor_);
    prepared ? heir->reach_prepare() : heir->reach_copy_end();
    heir->close_channel();
    heir->process().kill();
    EXPECT_EQ(v1::PEER_DIED, donor_->await_message<v1::Failed>(Type::kFailed).code());
    EXPECT_EQ("77", say("get 5"));
    // The donor hears of the exit by the heir's pidfd, in a turn of its own, and closes that.
    const Deadline deadline = Deadline::patience();
    while (open_files(donor_->pid()) != before && !deadline.passed()) EXPECT_EQ("77", say("get 5"));
    EXPECT_EQ(before, open_files(donor_->pid()));
  }
  expect_as_it_was();
}

// A donor that the test plays: its region has the value 77 at byte 5.
class RegionHeirTest : public ::testing::Test {
 protected:
  void start() {
    donor_.emplace([] { return run({.version = "2"}); });
    region_.emplace(io::RegionDecl{.name = "table", .reads = {1}, .max_size = kMax});
    ASSERT_TRUE(region_->start_empty());
    ASSERT_TRUE(region_->grow(kSize));
    region_->data()[5] = std::byte{77};
    donor_->open_connections(1);
  }
  v1::Hello hello() {
    v1::Hello hello = donor_->hello();
    add_table(*hello.mutable_manifest());
    return hello;
  }
  v1::Region announced() {
    const auto announced = region_->announce(1);
    v1::Region message;
    message.set_kind(announced->kind);
    message.set_inode(announced->inode);
    message.set_device(announced->device);
    message.set_size(announced->size);
    return message;
  }
  void greet() {
    start();
    send(donor_->channel(), Type::kHello, hello());
    EXPECT_EQ(Type::kHello, donor_->next().type);
    donor_->send_listeners();
  }
  void pass(const v1::Region& message) {
    send(donor_->channel(), Type::kRegion, message, {region_->fd()});
  }
  std::string say(const std::string& line) {
    const int client = donor_->connection(0).client.get();
    send_all(client, line + "\n");
    const std::string answer = next_line(client);
    return answer.substr(0, answer.find('\n'));
  }

  std::optional<RawDonor> donor_;
  std::optional<io::Region> region_;
};

TEST_F(RegionHeirTest, KeepsWhatADonorLeftThatDiedAfterPrepare) {
  greet();
  pass(announced());
  donor_->send_sessions(false);
  donor_->send_copy_end();
  ASSERT_TRUE(region_->grow(2 * kSize));  // a donor may do so until it is frozen
  donor_->send_prepare();
  donor_->die();
  donor_->heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("adopted", say("how"));
  EXPECT_EQ("77", say("get 5"));
  EXPECT_EQ(std::to_string(2 * kSize), say("size"));
}

TEST_F(RegionHeirTest, StartsEmptyWhenTheDonorDiedBeforePrepare) {
  greet();
  pass(announced());
  donor_->send_sessions(true);
  donor_->send_copy_end();
  donor_->die();
  const auto owner = donor_->heir().await_message<v1::Owner>(Type::kOwner);
  EXPECT_TRUE(owner.donor_died());
  EXPECT_EQ(1U, owner.sessions()) << "its socket has not moved";
  EXPECT_EQ("emptied", say("how"));
  EXPECT_EQ("0", say("size"));
  EXPECT_EQ("4096", say("grow 4096"));
  EXPECT_EQ("0", say("get 5"));
  EXPECT_EQ(std::byte{77}, region_->data()[5]) << "and leaves the old one alone";
}

TEST_F(RegionHeirTest, RefusesOneThatIsNotTheOneAnnounced) {
  greet();
  v1::Region message = announced();
  message.set_inode(message.inode() + 1);
  pass(message);
  expect_given_up(*donor_, v1::IDENTITY);
}

TEST_F(RegionHeirTest, RefusesAHandoffInWhichItNeverCame) {
  greet();
  donor_->send_sessions(false);
  donor_->send_copy_end();
  send(donor_->channel(), Type::kPrepare, donor_->prepare(), {donor_->word()});
  expect_given_up(*donor_, v1::PROTOCOL);
}

TEST_F(RegionHeirTest, RefusesOneThatIsNoneOrComesTwiceOrWithoutItsFd) {
  for (const int how : {0, 1, 2}) {
    SCOPED_TRACE(how);
    greet();
    v1::Region message = announced();
    if (how == 0) message.set_kind(0);
    if (how == 1) pass(message);
    if (how == 2) {
      send(donor_->channel(), Type::kRegion, message, {region_->fd(), region_->fd()});
    } else {
      pass(message);
    }
    expect_given_up(*donor_, v1::PROTOCOL);
  }
}

TEST_F(RegionHeirTest, RefusesSessionsOfAKindThatIsARegion) {
  greet();
  pass(announced());
  v1::Sessions sessions = donor_->sessions(false);
  sessions.mutable_sessions(0)->set_kind(1);
  send(donor_->channel(), Type::kSessions, sessions, donor_->session_fds());
  expect_given_up(*donor_, v1::PROTOCOL);
}

TEST_F(RegionHeirTest, RefusesOneThatItDoesNotClaimBeforeAnythingIsPassed) {
  start();
  v1::Hello message = hello();
  message.mutable_manifest()->mutable_kinds(1)->set_name("index");
  send(donor_->channel(), Type::kHello, message);
  expect_given_up(*donor_, v1::UNCLAIMED);
}

}  // namespace
}  // namespace handoff::test
