// What handoff_poll_options has got since its first form: linked(). And what stays, by the kit.
#include <gmock/gmock.h>

#include <cstddef>
#include <memory>
#include <string>

#include "handoff/poll.h"
#include "support/clients/line_client.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// Answers each input with the release, and with what linked() has found: how many connections were
// restored then. "stay" makes the connection stay.
struct KitService {
  std::string release = "1";
  bool refuses = false;
  bool aborts = false;  // each connection, in linked()
  handoff_poll_t* kit = nullptr;
  bool of_before = false;  // built before there was linked()
  int restored = 0;
  std::string found = "nothing";

  static KitService& of(void* user) { return *static_cast<KitService*>(user); }
  static KitService& of(handoff_conn_t* c) { return of(handoff_conn_context(c)); }

  int run() {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "test";
    options.version = release.c_str();
    handoff_t* h = nullptr;
    if (handoff_open(&h, &options) < 0) return 2;
    handoff_poll_options kit_options{};
    kit_options.size = of_before ? offsetof(handoff_poll_options, linked) : sizeof kit_options;
    kit_options.user = this;
    kit_options.linked = [](void* user) {
      KitService& self = of(user);
      self.found = std::to_string(self.restored);
      if (self.aborts) {
        handoff_poll_each(
            self.kit, [](void*, handoff_conn_t* c) { handoff_conn_abort(c); }, nullptr);
      }
      return self.refuses ? -EPERM : 0;
    };
    handoff_poll_t* p = nullptr;
    if (handoff_poll_open(&p, h, &kit_options) < 0) return 2;
    kit = p;
    handoff_conn_ops ops{};
    ops.size = sizeof ops;
    ops.save = [](handoff_conn_t*, handoff_saved_t* out) { return handoff_save_state(out, "", 0); };
    ops.restore = [](handoff_conn_t* c, const void*, std::size_t) { return ++of(c).restored, 0; };
    ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
      KitService& self = of(c);
      if (std::string(data, length) == "stay\n") handoff_conn_stays(c, "tls");
      handoff_conn_printf(c, "%s %s\n", self.release.c_str(), self.found.c_str());
      return length;
    };
    if (handoff_poll_listen(p, "public", "tcp:127.0.0.1:0", &ops, this) < 0) return 2;
    const int result = handoff_poll_run(p);
    handoff_poll_close(p);
    handoff_close(h);
    return result == 0 ? 0 : 3;
  }
};

class KitLinkedTest : public ::testing::Test {
 protected:
  void start() {
    donor_ = std::make_unique<ServiceProcess>(1, [] { return KitService{}.run(); });
    const auto owner = donor_->await_message<v1::Owner>(Type::kOwner);
    for (auto* client : {&one_, &two_}) {
      *client = std::make_unique<LineClient>(owner.named(0).address());
      EXPECT_EQ("1 nothing", (*client)->ask("a"));
    }
  }
  std::unique_ptr<ServiceProcess> donor_;
  std::unique_ptr<LineClient> one_, two_;
};

TEST_F(KitLinkedTest, ComesOnceAllConnectionsAreRestored) {
  start();
  auto heir = start_heir(*donor_, 2, [] { return KitService{.release = "2"}.run(); });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("2 2", one_->ask("a"));
}

TEST_F(KitLinkedTest, MayRefuse) {
  start();
  auto heir =
      start_heir(*donor_, 2, [] { return KitService{.release = "2", .refuses = true}.run(); });
  EXPECT_THAT(donor_->await_message<v1::Failed>(Type::kFailed).reason(), HasSubstr("linked()"));
  EXPECT_EQ(3, heir->wait());
  EXPECT_EQ("1 nothing", one_->ask("a"));
}

TEST_F(KitLinkedTest, CanNotResetTheDonorsClients) {
  start();
  auto heir = start_heir(
      *donor_, 2, [] { return KitService{.release = "2", .refuses = true, .aborts = true}.run(); });
  donor_->await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(3, heir->wait());
  EXPECT_EQ("1 nothing", one_->ask("a"));
  EXPECT_EQ("1 nothing", two_->ask("a"));
}

TEST_F(KitLinkedTest, AProgramFromBeforeHasNone) {
  start();
  auto heir = start_heir(*donor_, 2, [] {
    return KitService{.release = "2", .refuses = true, .of_before = true}.run();
  });
  heir->await_message<v1::Owner>(Type::kOwner);
  EXPECT_EQ("2 nothing", one_->ask("a"));
}

TEST_F(KitLinkedTest, AConnectionThatStaysIsServedByTheOldProcess) {
  start();
  EXPECT_EQ("1 nothing", two_->ask("stay"));
  auto heir = start_heir(*donor_, 2, [] { return KitService{.release = "2"}.run(); });
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  const auto late = donor_->await_message<v1::Late>(Type::kLate);
  ASSERT_EQ(1, late.staying_size());
  EXPECT_EQ("tls", late.staying(0).why());
  EXPECT_EQ("2 1", one_->ask("a"));
  EXPECT_EQ("1 nothing", two_->ask("a"));
}

}  // namespace
}  // namespace handoff::test
