// The service of kit_pairs.h on a layer with a Host and Pairs: uv_pair.hpp's or asio_pair.hpp's.
#pragma once

#include <handoff/handoff.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "kit_pairs.h"

namespace handoff::test {

template <class Pair>
class StreamRelay final : public Pair {
 public:
  explicit StreamRelay(const PairOptions& options) : options_(options) {}
  void on_open(bool adopted) override {
    if (!adopted && !options_.upstream.empty() && this->connect(options_.upstream) < 0) {
      this->close();
    }
  }
  std::size_t on_input(std::string_view input) override {
    if (input == "hold\n") this->hold();
    if (input == "release\n") this->release();
    if (input == "go\n") {
      if (this->connect(options_.second) < 0) this->close();
      return input.size();
    }
    if (input == "fill and end\n") {
      this->write_upstream(std::string(kFill, 'x'));
      this->end_upstream();
      return input.size();
    }
    if (input == "who\n") {
      this->write(options_.version + "\n");
      return input.size();
    }
    return Pair::on_input(input);
  }
  void on_upstream_refused(int error) override {
    if (!tried_ && !options_.second.empty()) {
      tried_ = true;
      if (this->connect(options_.second) == 0) return;
    }
    if (!options_.apologizes) return;
    this->write("no upstream: " + std::to_string(error) + "\n");
    this->close();
  }

 private:
  const PairOptions& options_;
  bool tried_ = false;
};

// Up to where the loop runs. 0, or the exit status.
template <class Pair, class Host>
int begin_pairs(Host& host, const PairOptions& options) {
  using Relay = StreamRelay<Pair>;
  host.listen(
      "public", "tcp:127.0.0.1:0", [&] { return std::make_unique<Relay>(options); },
      [&](std::string_view) {
        return options.refuses ? nullptr : std::make_unique<Relay>(options);
      });
  try {
    host.start();
    return 0;
  } catch (const Exception& e) {
    return e.code() == HANDOFF_ERR_ABORTED ? 3 : 2;
  }
}

}  // namespace handoff::test
