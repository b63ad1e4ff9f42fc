// One service of pairs (uv_pair.hpp, asio_pair.hpp, and poll.h's sessions with two connections)
// over each layer, in processes that hand over to each other; its client and its upstream.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/peers/service_process.h"
#include "upstream.h"

namespace handoff::test {

struct PairOptions {
  std::string version = "1";
  std::string upstream = {};
  bool refuses = false;     // no session is restored
  bool apologizes = false;  // an upstream that refuses is told to the client
  std::string second = {};  // tried after that
};

// More than the sockets of an upstream that does not read take.
inline constexpr std::size_t kFill = 16'000'000;

// Relays, but for the client's lines "go", "fill and end", "hold", "release" and "who". The exit
// status: 0, 3 in an heir whose handoff failed, 2 for an error.
int run_pairs_on_uv(const PairOptions& options);
int run_pairs_on_poll(const PairOptions& options);
int run_pairs_on_asio(const PairOptions& options);

// A donor's layer and an heir's.
struct PairLayers {
  const char* name;
  int (*donor)(const PairOptions&);
  int (*heir)(const PairOptions&);
};
inline void PrintTo(const PairLayers& layers, std::ostream* out) { *out << layers.name; }
inline constexpr PairLayers kPairLayers[] = {
    {"Uv", run_pairs_on_uv, run_pairs_on_uv},
    {"Poll", run_pairs_on_poll, run_pairs_on_poll},
    {"Asio", run_pairs_on_asio, run_pairs_on_asio},
    {"UvToPoll", run_pairs_on_uv, run_pairs_on_poll},
    {"PollToUv", run_pairs_on_poll, run_pairs_on_uv},
    {"UvToAsio", run_pairs_on_uv, run_pairs_on_asio},
    {"AsioToUv", run_pairs_on_asio, run_pairs_on_uv},
};

// The releases take turns: the first is the donor's layer, the next the heir's, and so on.
class PairsTest : public ::testing::TestWithParam<PairLayers> {
 protected:
  PairOptions options(const std::string& version) const {
    PairOptions out;
    out.version = version;
    out.upstream = address_of(listener_);
    return out;
  }
  void start(const PairOptions& options) {
    owner_ = std::make_unique<ServiceProcess>(++generation_, release(options, GetParam().donor));
    heirs_ = 0;
    address_ = owner_->await_message<v1::Owner>(protocol::Type::kOwner).named(0).address();
  }
  void begin(const PairOptions& options, const Terms& terms = {}) {
    const auto layer = ++heirs_ % 2 == 1 ? GetParam().heir : GetParam().donor;
    heir_ = start_heir(*owner_, ++generation_, release(options, layer), terms);
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
  std::uint64_t heirs_ = 0;  // of the owner that was started
  std::unique_ptr<ServiceProcess> owner_;
  std::unique_ptr<ServiceProcess> heir_;
  std::string address_;
  std::unique_ptr<LineClient> client_;
  UniqueFd upstream_;

 private:
  static std::function<int()> release(const PairOptions& options,
                                      int (*layer)(const PairOptions&)) {
    return [options, layer] { return layer(options); };
  }
};

}  // namespace handoff::test
