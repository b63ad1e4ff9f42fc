// A layer of poll.h before an author who knows of none: what each is told when a connection closes.
// In this process, without a supervisor.
#include <gmock/gmock.h>

#include <cstddef>

#include "handoff/poll.h"
#include "kit_poll_here.h"
#include "support/clients/line_client.h"

namespace handoff::test {
namespace {

using ::testing::ElementsAre;

class PollLayerTest : public PollTest {
 protected:
  PollLayerTest() {
    ops_.closing = [](handoff_conn_t* c) {
      of(handoff_conn_context(c)).heard_.emplace_back("author parts");
      handoff_conn_write(c, "bye\n", 4);
    };
    layer_.size = sizeof layer_;
    layer_.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
      return handoff_conn_deliver(c, data, length, handoff_conn_seen(c));
    };
    layer_.write = [](handoff_conn_t* c, const void* data, std::size_t length) {
      return handoff_conn_send(c, data, length);
    };
    layer_.closing = [](handoff_conn_t* c, int) {
      auto& test = static_cast<PollLayerTest&>(of(handoff_conn_layer_context(c)));
      test.heard_.emplace_back("layer parts");
      if (test.fails_) handoff_conn_close(c);
      handoff_conn_send(c, "end\n", 4);
    };
  }
  void let_ends_wait() {
    layer_.ending = [](handoff_conn_t* c) {
      auto& test = static_cast<PollLayerTest&>(of(handoff_conn_layer_context(c)));
      test.heard_.emplace_back(test.waits_ ? "not yet" : "now");
      return test.waits_ ? 1 : 0;
    };
  }
  // A client whose line was answered.
  void serve(LineClient& client) {
    client.send("hello\n");
    turn_until([this] { return conn_ != nullptr && handoff_conn_output_size(conn_) == 0; });
    EXPECT_EQ("hello\n", client.line());
  }
  void start_with_layer() {
    ASSERT_EQ(0, listen());
    ASSERT_EQ(0, handoff_poll_layer(kit_, "public", &layer_, this));
    ASSERT_EQ(0, handoff_poll_start(kit_)) << handoff_poll_last_error(kit_);
  }

  handoff_conn_layer layer_{};
  bool waits_ = true;   // ends of the output wait
  bool fails_ = false;  // the layer finds an error meanwhile, and closes for it
};

TEST_F(PollLayerTest, TheAuthorPartsFirstAndEachOnce) {
  start_with_layer();
  LineClient client(address());
  serve(client);
  handoff_conn_close(conn_);
  handoff_conn_close(conn_);
  turn_until([this] { return heard_.size() == 4; });
  EXPECT_THAT(heard_, ElementsAre("author parts", "layer parts", "closed", "destroyed"));
  EXPECT_EQ("bye\n", client.line());
  EXPECT_EQ("end\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

TEST_F(PollLayerTest, ALayerThatClosesMeanwhilePartsOnce) {
  fails_ = true;
  start_with_layer();
  LineClient client(address());
  serve(client);
  handoff_conn_close(conn_);
  turn_until([this] { return heard_.size() == 4; });
  EXPECT_THAT(heard_, ElementsAre("author parts", "layer parts", "closed", "destroyed"));
  EXPECT_EQ("bye\n", client.line());
  EXPECT_EQ("end\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

TEST_F(PollLayerTest, ALayerPartsWhereTheOutputEndsAndNotAgainAtTheClose) {
  start_with_layer();
  LineClient client(address());
  serve(client);
  handoff_conn_end_output(conn_);
  handoff_conn_close(conn_);
  turn_until([this] { return heard_.size() == 4; });
  EXPECT_THAT(heard_, ElementsAre("layer parts", "author parts", "closed", "destroyed"));
  EXPECT_EQ("end\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

TEST_F(PollLayerTest, ALayerMayCloseWhereTheOutputEnds) {
  fails_ = true;
  start_with_layer();
  LineClient client(address());
  serve(client);
  handoff_conn_end_output(conn_);
  turn_until([this] { return heard_.size() == 4; });
  EXPECT_THAT(heard_, ElementsAre("layer parts", "author parts", "closed", "destroyed"));
  EXPECT_EQ("bye\n", client.line());
  EXPECT_EQ("end\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

// A handshake is under way, say.
TEST_F(PollLayerTest, ALayerMayLetTheEndOfTheOutputWait) {
  let_ends_wait();
  start_with_layer();
  LineClient client(address());
  serve(client);
  handoff_conn_end_output(conn_);
  handoff_conn_send(conn_, "more\n", 5);
  turn_until([this] { return handoff_conn_output_size(conn_) == 0; });
  EXPECT_EQ("more\n", client.line());
  waits_ = false;
  handoff_conn_end_output(conn_);
  handoff_conn_close(conn_);
  turn_until([this] { return heard_.size() == 6; });
  EXPECT_THAT(heard_,
              ElementsAre("not yet", "now", "layer parts", "author parts", "closed", "destroyed"));
  EXPECT_EQ("end\n", client.line());
  EXPECT_EQ("EOF", client.line());
}

}  // namespace
}  // namespace handoff::test
