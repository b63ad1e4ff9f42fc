// Input and output in motion: however much of them waits, a switch sends only what the heir lacks,
// and no byte is lost or comes twice.
#include <gmock/gmock.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <handoff/uv.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "libhandoff/sys/memory.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;

// Bytes of a stream by their positions. Their period is a prime, which no buffer's size divides.
// They are copied in large pieces: a donor that computed each would be silent for too long under a
// sanitizer.
std::string stream_bytes(std::uint64_t from, std::uint64_t size) {
  static const std::string period = [] {
    std::string bytes(1'000'003, '\0');
    for (std::uint64_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<char>((i * 2654435761U) >> 24);
    }
    return bytes;
  }();
  std::string out;
  out.reserve(size);
  while (out.size() < size) {
    const std::uint64_t at = (from + out.size()) % period.size();
    out.append(period, at, size - out.size());
  }
  return out;
}

// Takes an upload of that many bytes whole, and answers with its checksum; "get N" sends N bytes.
class Bulk : public uv::Stream {
 public:
  static constexpr std::size_t kHead = 32;

  std::size_t on_input(std::string_view input) override {
    if (input.size() < kHead) return 0;
    const std::string_view head = input.substr(0, kHead);
    const auto size = std::stoull(std::string(head.substr(4)));
    if (head.starts_with("get ")) {
      write(stream_bytes(0, size));
      return kHead;
    }
    if (input.size() < kHead + size) return 0;
    write(std::to_string(io::checksum(input.substr(kHead, size))) + "\n");
    return kHead + size;
  }
  std::string save() const override { return "s"; }
};

int serve_bulk() {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = "1"});
  uv::Host host(&loop, *service);
  host.max_input = std::size_t{1} << 30;
  host.listen(
      "public", "tcp:127.0.0.1:0", [] { return std::make_unique<Bulk>(); },
      [](std::string_view) { return std::make_unique<Bulk>(); });
  host.start();
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

std::string head(const std::string& verb, std::uint64_t size) {
  std::string out = verb + " " + std::to_string(size);
  out.resize(Bulk::kHead, ' ');
  return out;
}

// The default budget, which a switch with whole bytes would miss.
constexpr std::uint64_t kBudget = 250'000;
// The thread sanitizer has four bytes of its own for each of these, and the kernel makes them page
// by page: with 300 MiB a process is silent for longer than its peers wait.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HANDOFF_TSAN 1
#endif
#endif
#ifdef HANDOFF_TSAN
constexpr std::uint64_t kLarge = std::uint64_t{60} << 20;
#else
constexpr std::uint64_t kLarge = std::uint64_t{300} << 20;
#endif

class TailTest : public ::testing::Test {
 protected:
  void start() {
    owner_ = std::make_unique<ServiceProcess>(1, serve_bulk);
    address_ = owner_->await_message<v1::Owner>(Type::kOwner).named(0).address();
  }
  void hand_over() {
    auto heir = start_heir(*owner_, ++generation_, serve_bulk, {.budget_us = kBudget});
    const Frame owner = heir->await(Type::kOwner);
    ASSERT_FALSE(owner.closed) << owner_->await_message<v1::Failed>(Type::kFailed).reason();
    EXPECT_EQ(0, owner_->wait());
    owner_ = std::move(heir);
  }

  std::uint64_t generation_ = 1;
  std::unique_ptr<ServiceProcess> owner_;
  std::string address_;
};

// A client beside this process: heirs are forked from it, which has to have one thread.
class Beside {
 public:
  template <class F>
  explicit Beside(F&& client) : child_(::fork()) {
    if (child_ == 0) ::_exit(client() ? 0 : 1);
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  ~Beside() {
    if (child_ > 0) ::kill(child_, SIGKILL);
    (void)succeeds();
  }
  // Waits for its end.
  bool succeeds() {
    if (child_ <= 0) return false;
    int status = 0;
    const pid_t ended = ::waitpid(std::exchange(child_, -1), &status, 0);
    return ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  pid_t child_;
};

TEST_F(TailTest, AnUploadOf300MBUnderWayHindersNoUpgrade) {
  start();
  LineClient client(address_);
  const std::string all = stream_bytes(0, kLarge);
  client.send(head("put", kLarge));
  // Two thirds are there before the first upgrade; the rest comes while others are under way.
  constexpr std::uint64_t kFirst = kLarge / 3 * 2;
  client.send(std::string_view(all).substr(0, kFirst));
  Beside uploads([&] {
    client.send(std::string_view(all).substr(kFirst));
    return true;
  });
  for (int i = 0; i < 3; ++i) hand_over();
  EXPECT_TRUE(uploads.succeeds());
  EXPECT_EQ(std::to_string(io::checksum(all)) + "\n", client.line());
}

TEST_F(TailTest, AReplyOf300MBThatIsReadSlowlyHindersNoUpgrade) {
  start();
  LineClient client(address_);
  client.send(head("get", kLarge));
  // Something of it is read between the upgrades, and during them: a tenth for each byte here.
  std::array<int, 2> turns{};
  ASSERT_EQ(0, ::pipe2(turns.data(), O_CLOEXEC));
  const UniqueFd begin(turns[1]);
  Beside reads([&, turn = UniqueFd(turns[0])] {
    std::string got;
    std::string buffer(std::size_t{1} << 20, '\0');
    const auto read_up_to = [&](std::size_t size) {
      while (got.size() < size) {
        const ssize_t n = ::recv(client.fd(), buffer.data(), buffer.size(), 0);
        if (n <= 0) return;
        got.append(buffer, 0, static_cast<std::size_t>(n));
      }
    };
    char byte = 0;
    for (std::size_t tenths = 1; ::read(turn.get(), &byte, 1) == 1; ++tenths) {
      read_up_to(kLarge / 10 * tenths);
      if (tenths == 4) break;
    }
    read_up_to(kLarge);
    return got == stream_bytes(0, kLarge);
  });
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(1, ::write(begin.get(), "x", 1));
    hand_over();
  }
  ASSERT_EQ(1, ::write(begin.get(), "x", 1));
  EXPECT_TRUE(reads.succeeds());
}

// ---- through handoff.hpp -----------------------------------------------------------------------

// How a service keeps input and output: with positions or without, and whether its heir restores
// early, and extends what it has.
struct Keeping {
  const char* name;
  bool places, early, extends;
};
void PrintTo(const Keeping& keeping, std::ostream* out) { *out << keeping.name; }

// One session that never understands its input, and whose output nobody reads. In each save() there
// is more input than before, and some of it is gone at the front.
class Growing {
 public:
  explicit Growing(const Keeping& keeping) : keeping_(keeping) {}

  int run() {
    service_ = Service::open({.name = "test", .version = "1"});
    service_->listener("public", "tcp:127.0.0.1:0");
    service_->on_save([this](SessionId) { return save(); });
    service_->on_restore([this](Adopted a) {
      fd_ = a.take_fd();
      id_ = a.id();
      replace(a);
    });
    if (keeping_.early) service_->on_update([this](Adopted a) { replace(a); });
    if (keeping_.extends) {
      service_->on_extend([this](Adopted a) {
        ++extended_;
        input_.erase(0, a.input_dropped());
        input_ += a.input();
        output_.erase(0, a.output_dropped());
        output_ += a.output();
        at_ = std::stoull(std::string(a.state()));
      });
    }
    service_->on_freeze([this] {
      grow();
      service_->session_touch(id_);
    });
    service_->on_retired([this](std::uint64_t) { done_ = true; });
    try {
      service_->ready();
    } catch (const Exception&) {
      return 3;
    }
    if (fd_ >= 0) tell();
    while (!done_) turn();
    return 0;
  }

 private:
  void replace(const Adopted& a) {
    input_ = a.input();
    output_ = a.output();
    at_ = std::stoull(std::string(a.state()));
  }
  // What the bytes must be, wherever they came from.
  bool right() const {
    return input_ == stream_bytes(at_, input_.size()) &&
           output_ == stream_bytes(at_ * 3, output_.size()) && !input_.empty();
  }
  void tell() const {
    const std::string text = (right() ? "right " : "wrong ") + std::to_string(extended_) + " " +
                             std::to_string(input_.size()) + "\n";
    (void)::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  void grow() {
    at_ += 1000;
    input_ = stream_bytes(at_, input_.size() + 500);
    output_ = stream_bytes(at_ * 3, output_.size() + 200);
  }
  Saved save() const {
    Saved saved(std::to_string(at_));
    if (keeping_.places) {
      saved.input_at = Stretch{at_, input_};
      saved.output_at = Stretch{at_ * 3, output_};
    } else {
      saved.input = input_;
      saved.output = output_;
    }
    return saved;
  }
  void turn() {
    std::vector<pollfd> fds{{service_->fd(), POLLIN, 0}, {service_->named_fd("public"), POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0) return;
    if (fds[1].revents != 0 && fd_ < 0) {
      fd_ = ::accept4(service_->named_fd("public"), nullptr, nullptr, SOCK_CLOEXEC);
      id_ = service_->session_open(fd_, HANDOFF_SESSION_TRACKED);
      input_ = stream_bytes(0, 100'000);
      output_ = stream_bytes(0, 70'000);
      tell();
    }
    if (fds[0].revents != 0) service_->dispatch();
  }

  Keeping keeping_;
  std::unique_ptr<Service> service_;
  int fd_ = -1;
  SessionId id_ = 0;
  std::uint64_t at_ = 0;
  std::string input_, output_;
  int extended_ = 0;
  bool done_ = false;
};

class KeepingTest : public ::testing::TestWithParam<std::pair<Keeping, Keeping>> {};

TEST_P(KeepingTest, EachReleaseHasTheBytesThatTheOneBeforeHad) {
  const auto& [ones, twos] = GetParam();
  auto owner =
      std::make_unique<ServiceProcess>(1, [keeping = ones] { return Growing(keeping).run(); });
  LineClient client(owner->await_message<v1::Owner>(Type::kOwner).named(0).address());
  EXPECT_EQ("right 0 100000\n", client.line());
  std::uint64_t input = 100'000;
  for (std::uint64_t generation = 2; generation < 6; ++generation) {
    const Keeping keeping = generation % 2 == 0 ? twos : ones;
    const bool tails =
        (generation % 2 == 0 ? ones : twos).places && keeping.early && keeping.extends;
    auto heir = start_heir(*owner, generation, [keeping] { return Growing(keeping).run(); });
    heir->await_message<v1::Owner>(Type::kOwner);
    EXPECT_EQ(0, owner->wait());
    input += 500;
    EXPECT_EQ("right " + std::string(tails ? "1" : "0") + " " + std::to_string(input) + "\n",
              client.line());
    owner = std::move(heir);
  }
}

constexpr Keeping kPlain{"Plain", false, false, false};
constexpr Keeping kPlaces{"Places", true, false, false};
constexpr Keeping kUpdates{"Updates", true, true, false};
constexpr Keeping kExtends{"Extends", true, true, true};
INSTANTIATE_TEST_SUITE_P(
    Ways, KeepingTest,
    ::testing::Values(std::pair{kPlain, kExtends}, std::pair{kPlaces, kPlaces},
                      std::pair{kPlaces, kUpdates}, std::pair{kPlaces, kExtends},
                      std::pair{kUpdates, kExtends}, std::pair{kExtends, kExtends}),
    [](const auto& way) { return std::string(way.param.first.name) + way.param.second.name; });

}  // namespace
}  // namespace handoff::test
