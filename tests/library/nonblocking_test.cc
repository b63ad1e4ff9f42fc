// O_NONBLOCK is the socket's, and so the other process's, too: whoever clears it must not make the
// other one wait.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <handoff/uv.hpp>

#include "line_service.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

void clear_nonblocking(int fd) {
  if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0) ::abort();
}

// How many TCP sockets of the process would block.
int blocking_sockets(const Process& process) {
  int blocking = 0;
  const std::string folder = "/proc/" + std::to_string(process.pid()) + "/fd";
  DIR* const fds = ::opendir(folder.c_str());
  if (fds == nullptr) return -1;
  while (const dirent* entry = ::readdir(fds)) {
    if (entry->d_name[0] == '.') continue;
    const UniqueFd fd(
        static_cast<int>(::syscall(SYS_pidfd_getfd, process.pidfd(), std::atoi(entry->d_name), 0)));
    int domain = 0;
    socklen_t length = sizeof domain;
    const bool tcp = fd.valid() &&
                     ::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
                     domain == AF_INET;
    if (tcp && (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) == 0) ++blocking;
  }
  ::closedir(fds);
  return blocking;
}

// Waits until none of them would. Nothing wakes who waits for the flag of a description, so this
// looks again and again.
bool none_blocks(const Process& process) {
  const Deadline deadline = Deadline::patience();
  while (blocking_sockets(process) != 0) {
    if (deadline.passed()) return false;
    ::usleep(1000);
  }
  return true;
}

LineServiceOptions reader(const std::string& version) {
  return {.version = version, .needs_nonblocking = true};
}

class NonblockingTest : public ::testing::Test {
 protected:
  void start(const LineServiceOptions& options = reader("1")) {
    donor_ = std::make_unique<ServiceProcess>(1, [options] { return run_line_service(options); });
    address_ = donor_->await_message<v1::Owner>(Type::kOwner).named(0).address();
    for (int i = 0; i < 3; ++i) {
      clients_.push_back(std::make_unique<LineClient>(address_));
      EXPECT_EQ("1 a", clients_.back()->ask("a"));
    }
  }
  void expect_answers(const std::string& count) {
    for (auto& client : clients_) EXPECT_EQ(count + " b", client->ask("b"));
    EXPECT_EQ("1 c", LineClient(address_).ask("c"));
  }

  std::unique_ptr<ServiceProcess> donor_;
  std::string address_;
  std::vector<std::unique_ptr<LineClient>> clients_;
};

// As in a runtime that opens the fd as a socket of its own, and then finds the state bad.
LineServiceOptions clears_and_refuses(bool early) {
  auto options = reader("2");
  options.early_restore = early;
  options.adjust = [](Service& service) {
    service.on_restore([](Adopted a) {
      clear_nonblocking(a.take_fd());
      throw std::runtime_error("not this one");
    });
  };
  return options;
}

TEST_F(NonblockingTest, AnHeirThatClearsItAndRefusesDoesNotMakeTheDonorWait) {
  start();
  std::uint64_t generation = 1;
  for (const bool early : {false, true}) {
    const auto options = clears_and_refuses(early);
    const auto heir = start_heir(*donor_, ++generation, [&] { return run_line_service(options); });
    EXPECT_EQ(v1::REJECTED, donor_->await_message<v1::Failed>(Type::kFailed).code());
    EXPECT_EQ(0, blocking_sockets(*donor_)) << "since before the donor said so";
    expect_answers(early ? "3" : "2");
    EXPECT_EQ(3, heir->wait());
  }
}

// What an heir took may be closed long after its Abort, as it ends.
TEST_F(NonblockingTest, AnHeirThatClearsItAsItGoesDoesNotMakeTheDonorWait) {
  start();
  std::vector<int> taken;
  auto options = reader("2");
  options.adjust = [&taken](Service& service) {
    service.on_restore([&taken](Adopted a) {
      if (taken.size() == 2) throw std::runtime_error("not the third");
      taken.push_back(a.take_fd());
    });
    service.on_drop([](SessionId) {});
  };
  const auto heir = start_heir(*donor_, 2, [&] {
    const int status = run_line_service(options);
    for (const int fd : taken) clear_nonblocking(fd);
    return status;
  });
  EXPECT_EQ(v1::REJECTED, donor_->await_message<v1::Failed>(Type::kFailed).code());
  EXPECT_EQ(3, heir->wait());
  EXPECT_TRUE(none_blocks(*donor_));
  expect_answers("2");
}

TEST_F(NonblockingTest, ADonorThatClearsItAsItClosesDoesNotMakeTheHeirWait) {
  auto one = reader("1");
  one.before_close = clear_nonblocking;
  start(one);
  const auto heir = start_heir(*donor_, 2, [] { return run_line_service(reader("2")); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ(0, donor_->wait());
  EXPECT_TRUE(none_blocks(*heir));
  expect_answers("2");
}

// The exit of a donor that drains is far away.
TEST_F(NonblockingTest, ADonorThatLivesOnHasClosedAllTheSame) {
  auto one = reader("1");
  one.before_close = clear_nonblocking;
  donor_ = std::make_unique<ServiceProcess>(1, [one] {
    run_line_service(one);
    ::raise(SIGSTOP);  // all is closed
    return 0;
  });
  address_ = donor_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  clients_.push_back(std::make_unique<LineClient>(address_));
  EXPECT_EQ("1 a", clients_.back()->ask("a"));
  const auto heir = start_heir(*donor_, 2, [] { return run_line_service(reader("2")); });
  heir->await_message<v1::Owner>(Type::kOwner);
  ASSERT_TRUE(donor_->wait_stopped());
  EXPECT_TRUE(none_blocks(*heir));
  expect_answers("2");
  EXPECT_TRUE(donor_->running());
}

// A late donor has closed what has moved, and stays for a session that is held.
TEST_F(NonblockingTest, ALateDonorThatClearsItDoesNotMakeTheHeirWait) {
  auto one = reader("1");
  one.before_close = clear_nonblocking;
  one.holds = true;
  start(one);
  EXPECT_EQ("2 hold", clients_[0]->ask("hold"));
  auto two = reader("2");
  two.holds = true;
  const auto heir = start_heir(*donor_, 2, [two] { return run_line_service(two); });
  EXPECT_EQ(2U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  donor_->await_message<v1::Late>(Type::kLate);
  EXPECT_TRUE(none_blocks(*heir));
  EXPECT_EQ("2 b", clients_[1]->ask("b"));
  EXPECT_EQ("3 b", clients_[0]->ask("b"));
  EXPECT_TRUE(donor_->running());
}

// Of sessions that move one by one the heir looks at those that came before, when the donor offers
// the next.
TEST_F(NonblockingTest, ALateDonorThatClearsItOnEachThatMovesIsMendedByItsNextWord) {
  auto one = reader("1");
  one.before_close = clear_nonblocking;
  one.holds = true;
  start(one);
  for (auto& client : clients_) EXPECT_EQ("2 hold", client->ask("hold"));
  auto two = reader("2");
  two.holds = true;
  const auto heir = start_heir(*donor_, 2, [two] { return run_line_service(two); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("3 release", clients_[0]->ask("release"));
  while (donor_->await_message<v1::Late>(Type::kLate).waiting() > 2) {
  }
  EXPECT_EQ("3 release", clients_[1]->ask("release"));
  while (donor_->await_message<v1::Late>(Type::kLate).waiting() > 1) {
  }
  EXPECT_EQ("4 b", clients_[0]->ask("b"));
  EXPECT_TRUE(donor_->running());
}

// The donor looks at the session before its service has it again.
TEST_F(NonblockingTest, ALateSessionThatTheTakerRefusesIsAsItWas) {
  auto one = reader("1");
  one.holds = true;
  one.on_thaw_session = [](SessionId) { ::raise(SIGSTOP); };
  start(one);
  for (auto& client : clients_) EXPECT_EQ("2 hold", client->ask("hold"));
  auto two = clears_and_refuses(false);
  two.holds = true;
  const auto heir = start_heir(*donor_, 2, [two] { return run_line_service(two); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("3 release", clients_[0]->ask("release"));
  ASSERT_TRUE(donor_->wait_stopped());
  EXPECT_EQ(0, blocking_sockets(*donor_));
  donor_->signal(SIGCONT);
  EXPECT_EQ("4 b", clients_[0]->ask("b"));
}

// Does to the listener what another process that shares it might do, and answers each line.
class Clears final : public uv::Stream {
 public:
  std::size_t on_input(std::string_view input) override {
    clear_nonblocking(host().service().named_fd("public"));
    write(input);
    return input.size();
  }
  std::string save() const override { return ""; }
};

TEST(UvNonblockingTest, AListenerWithoutItDoesNotMakeTheLoopWait) {
  ServiceProcess service(1, [] {
    uv_loop_t loop;
    uv_loop_init(&loop);
    auto opened = Service::open({.name = "test", .version = "1"});
    uv::Host host(&loop, *opened);
    host.listen(
        "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Clears>(); },
        [](std::string_view) { return std::make_unique<Clears>(); });
    host.start();
    return uv_run(&loop, UV_RUN_DEFAULT);
  });
  const std::string address = service.await_message<v1::Owner>(Type::kOwner).named(0).address();
  for (int i = 0; i < 3; ++i) EXPECT_EQ("a", LineClient(address).ask("a"));
}

}  // namespace
}  // namespace handoff::test
