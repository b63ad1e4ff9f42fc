// Connections that a service opens itself: what ends them, and callbacks that open others. On each
// layer, in this process, without a supervisor.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>

#include <handoff/poll.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kit_here.h"
#include "poll_kit.h"
#include "support/clients/sockets.h"
#include "upstream.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;

// A service whose loop the test turns. A connection goes by its session's id.
class Here {
 public:
  virtual ~Here() = default;
  virtual std::uint64_t connect(const std::string& address) = 0;
  virtual std::uint64_t adopt(int fd) = 0;  // takes fd
  virtual void close(std::uint64_t id) = 0;
  virtual void pause(std::uint64_t id) = 0;
  virtual void resume(std::uint64_t id) = 0;
  virtual std::size_t count() const = 0;
  virtual void each(const std::function<void()>& f) = 0;
  // Turns the loop without waiting. False: there was nothing to do.
  virtual bool turn() = 0;

  // Whether the loop has nothing to do, once what is on its way has come.
  bool rests() {
    for (int i = 0; i < 20; ++i) {
      if (!turn()) return true;
    }
    return false;
  }
  // One end is the service's; returns the other.
  UniqueFd adopt_one(std::uint64_t* id = nullptr) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    const std::uint64_t adopted = adopt(ends[0]);
    if (id != nullptr) *id = adopted;
    return UniqueFd(ends[1]);
  }

  std::vector<std::string> heard;           // input, and "closed"
  std::function<void()> at_closed = [] {};  // called by the next closed()
  void closed() {
    heard.push_back("closed");
    std::exchange(at_closed, [] {})();
  }
};

class PollHere final : public Here {
 public:
  PollHere() {
    handoff_conn_ops ops{};
    ops.size = sizeof ops;
    ops.kind = "uplink";
    ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
      of(c).heard.emplace_back(data, length);
      return length;
    };
    ops.closed = [](handoff_conn_t* c) { of(c).closed(); };
    EXPECT_EQ(0, handoff_poll_outgoing(kit_, &ops, this));
    EXPECT_EQ(0, handoff_poll_start(kit_)) << handoff_poll_last_error(kit_);
  }

  std::uint64_t connect(const std::string& address) override {
    handoff_conn_t* out = nullptr;
    EXPECT_EQ(0, handoff_poll_connect(kit_, "uplink", address.c_str(), nullptr, &out));
    return handoff_conn_id(out);
  }
  std::uint64_t adopt(int fd) override {
    handoff_conn_t* out = nullptr;
    EXPECT_EQ(0, handoff_poll_adopt(kit_, "uplink", fd, nullptr, &out));
    return handoff_conn_id(out);
  }
  void close(std::uint64_t id) override { handoff_conn_close(handoff_poll_find(kit_, id)); }
  void pause(std::uint64_t id) override { handoff_conn_pause(handoff_poll_find(kit_, id)); }
  void resume(std::uint64_t id) override { handoff_conn_resume(handoff_poll_find(kit_, id)); }
  std::size_t count() const override { return handoff_poll_count(kit_); }
  void each(const std::function<void()>& f) override {
    handoff_poll_each(
        kit_,
        [](void* user, handoff_conn_t*) { (*static_cast<const std::function<void()>*>(user))(); },
        const_cast<std::function<void()>*>(&f));
  }
  bool turn() override {
    EXPECT_EQ(1, handoff_poll_once(kit_, 0));
    pollfd p{handoff_poll_fd(kit_), POLLIN, 0};
    return ::poll(&p, 1, 0) != 0;
  }

 private:
  static PollHere& of(const handoff_conn_t* c) {
    return *static_cast<PollHere*>(handoff_conn_context(c));
  }

  PollKit open_;
  handoff_poll_t* kit_ = open_.kit;
};

// On a layer with a Host and Streams.
template <class Loop>
class StreamsHere final : public Here {
 public:
  StreamsHere() {
    host().outgoing("uplink",
                    [this](std::string_view) { return std::make_unique<Outgoing>(*this); });
    host().start();
  }
  std::uint64_t connect(const std::string& address) override {
    return host().connect("uplink", address, std::make_unique<Outgoing>(*this)).id();
  }
  std::uint64_t adopt(int fd) override {
    return host().adopt("uplink", fd, std::make_unique<Outgoing>(*this)).id();
  }
  void close(std::uint64_t id) override { host().find(id)->close(); }
  void pause(std::uint64_t id) override { host().find(id)->pause(); }
  void resume(std::uint64_t id) override { host().find(id)->resume(); }
  std::size_t count() const override { return const_cast<StreamsHere*>(this)->host().size(); }
  void each(const std::function<void()>& f) override {
    host().for_each([&f](typename Loop::Stream&) { f(); });
  }
  bool turn() override { return loop_.turn(); }

 private:
  class Outgoing final : public Loop::Stream {
   public:
    explicit Outgoing(Here& here) : here_(here) {}
    std::size_t on_input(std::string_view input) override {
      here_.heard.emplace_back(input);
      return input.size();
    }
    void on_closed() override { here_.closed(); }
    std::string save() const override { return {}; }

   private:
    Here& here_;
  };

  typename Loop::Host& host() { return loop_.host(); }

  Loop loop_;
};

struct HereLayer {
  const char* name;
  std::unique_ptr<Here> (*make)();
};
void PrintTo(const HereLayer& layer, std::ostream* out) { *out << layer.name; }
template <class Layer>
std::unique_ptr<Here> make() {
  return std::make_unique<Layer>();
}
constexpr HereLayer kUv = {"Uv", make<StreamsHere<UvLoop>>};
constexpr HereLayer kPoll = {"Poll", make<PollHere>};
constexpr HereLayer kAsio = {"Asio", make<StreamsHere<AsioLoop>>};

class OutgoingHereTest : public ::testing::TestWithParam<HereLayer> {
 protected:
  std::vector<UniqueFd> peers_;
  std::unique_ptr<Here> here_ = GetParam().make();
};
INSTANTIATE_TEST_SUITE_P(Layers, OutgoingHereTest, ::testing::Values(kUv, kPoll, kAsio),
                         ::testing::PrintToStringParamName());

TEST_P(OutgoingHereTest, AConnectThatHangsIsGivenUpAtClose) {
  const UniqueFd full = listen_for_one();
  const UniqueFd first = connect_tcp(port_of(full.get()));
  const std::uint64_t id = here_->connect(address_of(full));
  EXPECT_TRUE(here_->rests());
  EXPECT_EQ(1U, here_->count());
  here_->close(id);
  EXPECT_TRUE(here_->rests());
  EXPECT_EQ(0U, here_->count());
  EXPECT_THAT(here_->heard, ElementsAre("closed"));
}

// Enough for the layer's table to grow meanwhile.
TEST_P(OutgoingHereTest, AClosedMayOpenOthers) {
  UniqueFd peer = here_->adopt_one();
  here_->at_closed = [this] {
    for (int i = 0; i < 100; ++i) peers_.push_back(here_->adopt_one());
  };
  peer.reset();
  EXPECT_TRUE(here_->rests());
  EXPECT_THAT(here_->heard, ElementsAre("closed"));
  EXPECT_EQ(100U, here_->count());
}

// A Unix socket whose peer has gone is read also while its connection is paused.
TEST_P(OutgoingHereTest, TheEndComesBehindInputThatAPauseHasKept) {
  std::uint64_t id = 0;
  UniqueFd peer = here_->adopt_one(&id);
  here_->pause(id);
  send_all(peer.get(), "all of it");
  peer.reset();
  EXPECT_TRUE(here_->rests());
  EXPECT_EQ(1U, here_->count());
  EXPECT_THAT(here_->heard, ElementsAre());
  here_->resume(id);
  EXPECT_TRUE(here_->rests());
  EXPECT_THAT(here_->heard, ElementsAre("all of it", "closed"));
  EXPECT_EQ(0U, here_->count());
}

// uv.hpp says that its for_each() may not.
class VisitHereTest : public OutgoingHereTest {};
INSTANTIATE_TEST_SUITE_P(Layers, VisitHereTest, ::testing::Values(kPoll, kAsio),
                         ::testing::PrintToStringParamName());

TEST_P(VisitHereTest, AVisitorMayOpenOthers) {
  for (int i = 0; i < 100; ++i) peers_.push_back(here_->adopt_one());
  int visited = 0;
  here_->each([&] {
    for (int i = 0; i < 2; ++i) peers_.push_back(here_->adopt_one());
    ++visited;
  });
  EXPECT_EQ(100, visited);
  EXPECT_EQ(300U, here_->count());
}

}  // namespace
}  // namespace handoff::test
