// A service of pairs (uv_pair.hpp) in processes that hand over to each other, its client and its
// upstream.
#pragma once

#include <gtest/gtest.h>

#include <handoff/uv_pair.hpp>
#include <memory>
#include <string>
#include <utility>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"
#include "upstream.h"

namespace handoff::test {

struct PairOptions {
  std::string version = "1";
  std::string upstream;
  bool refuses = false;     // no session is restored
  bool apologizes = false;  // an upstream that refuses is told to the client
  std::string second = {};  // tried after that
};

// More than the sockets of an upstream that does not read take.
inline constexpr std::size_t kFill = 16'000'000;

// Relays, but for the client's lines "go", "fill and end", "hold", "release" and "who".
class TestRelay final : public uv::Pair {
 public:
  explicit TestRelay(const PairOptions& options) : options_(options) {}
  void on_open(bool adopted) override {
    if (!adopted && !options_.upstream.empty() && connect(options_.upstream) < 0) close();
  }
  std::size_t on_input(std::string_view input) override {
    if (input == "hold\n") hold();
    if (input == "release\n") release();
    if (input == "go\n") {
      if (connect(options_.second) < 0) close();
      return input.size();
    }
    if (input == "fill and end\n") {
      write_upstream(std::string(kFill, 'x'));
      end_upstream();
      return input.size();
    }
    if (input == "who\n") {
      write(options_.version + "\n");
      return input.size();
    }
    return Pair::on_input(input);
  }
  void on_upstream_refused(int error) override {
    if (!tried_ && !options_.second.empty()) {
      tried_ = true;
      if (connect(options_.second) == 0) return;
    }
    if (!options_.apologizes) return;
    write("no upstream: " + std::to_string(error) + "\n");
    close();
  }

 private:
  const PairOptions& options_;
  bool tried_ = false;
};

inline int run_relay(const PairOptions& options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  auto service = Service::open({.name = "test", .version = options.version});
  uv::Host host(&loop, *service);
  host.listen(
      "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<TestRelay>(options); },
      [&](std::string_view) {
        return options.refuses ? nullptr : std::make_unique<TestRelay>(options);
      });
  try {
    host.start();
  } catch (const Exception& e) {
    if (e.code() == HANDOFF_ERR_ABORTED) return 3;
    throw;
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  return 0;
}

class UvPairTest : public ::testing::Test {
 protected:
  PairOptions options(const std::string& version) const {
    PairOptions out;
    out.version = version;
    out.upstream = address_of(listener_);
    return out;
  }
  void start(const PairOptions& options) {
    owner_ =
        std::make_unique<ServiceProcess>(++generation_, [options] { return run_relay(options); });
    address_ = owner_->await_message<v1::Owner>(protocol::Type::kOwner).named(0).address();
  }
  void begin(const PairOptions& options, const Terms& terms = {}) {
    heir_ = start_heir(
        *owner_, ++generation_, [options] { return run_relay(options); }, terms);
  }
  std::uint64_t hand_over(const PairOptions& options) {
    begin(options);
    const std::uint64_t sessions =
        heir_->await_message<v1::Owner>(protocol::Type::kOwner).sessions();
    EXPECT_EQ(0, owner_->wait());
    owner_ = std::move(heir_);
    return sessions;
  }
  std::uint64_t hand_over() { return hand_over(options(std::to_string(generation_ + 1))); }
  void connect() {
    client_ = std::make_unique<LineClient>(address_);
    upstream_ = accept_from(listener_);
  }
  void to_client(const std::string& text) { send_all(upstream_.get(), text); }

  UniqueFd listener_ = listen_on_loopback();
  std::uint64_t generation_ = 0;
  std::unique_ptr<ServiceProcess> owner_;
  std::unique_ptr<ServiceProcess> heir_;
  std::string address_;
  std::unique_ptr<LineClient> client_;
  UniqueFd upstream_;
};

}  // namespace handoff::test
