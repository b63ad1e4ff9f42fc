// Deadlines of a Stream for its layer, and bytes of a layer that nobody has asked for.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "uv_here.h"

namespace handoff::test {
namespace {

class Timed final : public uv::Stream {
 public:
  explicit Timed(std::vector<std::string>& told) : told_(told) {}
  void by(std::uint64_t in_ms) { set_deadline(uv::Linger::clock_ms() + in_ms); }
  void never() { set_deadline(0); }
  void take(std::string_view layer) { restore_layer(layer); }

 protected:
  std::size_t on_input(std::string_view input) override { return input.size(); }
  std::string save() const override { return {}; }
  void begin_layer() override { told_.emplace_back("begin"); }
  void on_open(bool /*adopted*/) override { told_.emplace_back("open"); }
  void on_deadline() override { told_.emplace_back("deadline"); }

 private:
  std::vector<std::string>& told_;
};

class UvDeadlineTest : public UvHereTest {
 protected:
  Timed& one() {
    serve([this] { return std::make_unique<Timed>(told_); });
    auto& out = dynamic_cast<Timed&>(connect());
    EXPECT_EQ((std::vector<std::string>{"begin", "open"}), told_);
    told_.clear();
    return out;
  }
  std::vector<std::string> told_;
};

TEST_F(UvDeadlineTest, IsToldOnce) {
  Timed& s = one();
  s.by(1);
  turn_until([this] { return !told_.empty(); });
  EXPECT_TRUE(rests());
  EXPECT_EQ((std::vector<std::string>{"deadline"}), told_);
}

TEST_F(UvDeadlineTest, ALaterCallTakesThePlaceOfTheFirst) {
  Timed& s = one();
  s.by(3'600'000);
  s.by(1);
  turn_until([this] { return !told_.empty(); });
  s.by(1);
  s.never();
  s.by(3'600'000);
  EXPECT_TRUE(rests());
  EXPECT_EQ((std::vector<std::string>{"deadline"}), told_);
}

TEST_F(UvDeadlineTest, AStreamThatHasEndedHasNone) {
  Timed& s = one();
  s.by(100);
  s.close();
  client_.reset();
  turn_until([this] { return host_->size() == 0; });
  EXPECT_TRUE(rests());
  EXPECT_TRUE(told_.empty());
}

TEST_F(UvDeadlineTest, ALayerThatAClassDoesNotKnowIsRefused) {
  Timed& s = one();
  EXPECT_NO_THROW(s.take(""));
  EXPECT_THROW(s.take("keys"), std::runtime_error);
}

}  // namespace
}  // namespace handoff::test
