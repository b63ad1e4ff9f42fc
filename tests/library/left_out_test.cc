// A real donor that has more than its heir claims, and is told so. Its heir, of whatever library,
// sees a donor that never had it.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "donor_fixture.h"

namespace handoff::test {
namespace {

using protocol::Type;

class Rooms : public Section {
 public:
  void begin(std::uint32_t) override {}
  bool next(Phase, std::string&) override { return false; }
  void end(bool) override {}
  void apply(std::uint32_t, std::string_view) override {}
  void reset() override {}
};

class LeftOutTest : public DonorFaultsTest {
 protected:
  // A service with more than "public" and "session".
  LineServiceOptions more(bool bulk_session = false, bool holds = false) {
    LineServiceOptions options;
    options.holds = holds;
    options.adjust = [this](Service& service) {
      service.kind("bulk", 1);
      service.listener("admin", "tcp:127.0.0.1:0");
      service.section("rooms", rooms_, {1}, {1});
      service.claim("lock");  // nobody has it
    };
    if (!bulk_session) return options;
    options.on_ready = [](Service& service) {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) throw std::runtime_error("socketpair");
      (void)service.session_open(pair[0], 0, "bulk");
    };
    return options;
  }
  // The terms of an heir that claims "public" and "session", and what may be left out.
  static Terms terms(bool listeners = true, bool sections = true, bool sessions = true) {
    Terms out;
    v1::Manifest& claims = out.claims.emplace();
    claims.set_service("test");
    claims.set_release("2");
    claims.add_named()->set_name("public");
    auto& kind = *claims.add_kinds();
    kind.set_name("session");
    kind.add_reads(1);
    kind.add_writes(1);
    v1::MayLeaveOut& may = out.may.emplace();
    may.set_listeners(listeners);
    may.set_sections(sections);
    may.set_sessions(sessions);
    return out;
  }
  static v1::Hello donors_hello(RawHeir& heir) {
    const Frame frame = heir.await(Type::kHello);
    v1::Hello hello;
    EXPECT_TRUE(hello.ParseFromString(frame.body));
    return hello;
  }

  Rooms rooms_;
};

TEST_F(LeftOutTest, ItsHelloHasNothingOfItAndItsReportAll) {
  LineServiceOptions options = more();
  donor_ = std::make_unique<ServiceProcess>(1, [&] { return run_line_service(options); });
  const auto owner = donor_->await_message<v1::Owner>(Type::kOwner);
  ASSERT_EQ(owner.named_size(), 2);
  LineClient client(owner.named(1).address());
  client.send("a\n");
  ASSERT_EQ("1 a\n", client.line());
  RawHeir heir(*donor_, terms());
  const v1::Hello hello = donors_hello(heir);
  ASSERT_EQ(hello.manifest().named_size(), 1);
  EXPECT_EQ(hello.manifest().named(0).name(), "public");
  ASSERT_EQ(hello.manifest().kinds_size(), 1);
  EXPECT_EQ(hello.manifest().kinds(0).name(), "session");
  heir.reach_release();
  ASSERT_TRUE(heir.claim());
  send_raw(heir.channel(), Type::kResumed, "");
  const auto retired = donor_->await_message<v1::Retired>(Type::kRetired);
  EXPECT_EQ(retired.sessions(), 1U);
  ASSERT_EQ(retired.left_out_size(), 3);
  EXPECT_EQ(retired.left_out(0).sort(), v1::SORT_LISTENER);
  EXPECT_EQ(retired.left_out(0).name(), "admin");
  EXPECT_EQ(retired.left_out(1).sort(), v1::SORT_SESSIONS);
  EXPECT_EQ(retired.left_out(1).name(), "bulk");
  EXPECT_EQ(retired.left_out(1).sessions(), 0U);
  EXPECT_EQ(retired.left_out(2).sort(), v1::SORT_SECTION);
  EXPECT_EQ(retired.left_out(2).name(), "rooms");
  EXPECT_EQ(0, donor_->wait());
}

TEST_F(LeftOutTest, WhatMayNotBeLeftOutIsRefused) {
  const LineServiceOptions options = more();
  donor_ = std::make_unique<ServiceProcess>(1, [&] { return run_line_service(options); });
  donor_->await_message<v1::Owner>(Type::kOwner);
  struct Case {
    Terms terms;
    const char* what;
  };
  for (const Case& one : {Case{terms(false), "does not claim 'admin'"},
                          Case{terms(true, false), "does not claim section 'rooms'"},
                          Case{terms(true, true, false), "does not claim session kind 'bulk'"}}) {
    RawHeir heir(*donor_, one.terms);
    heir.send_hello();
    const auto failed = donor_->await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(failed.code(), v1::UNCLAIMED);
    EXPECT_NE(failed.reason().find(one.what), std::string::npos) << failed.reason();
  }
}

// Of a service that can't keep sessions, and of an heir that knows none that are late.
TEST_F(LeftOutTest, ASessionThatCantStayIsRefusedAndNotLeft) {
  for (const bool holds : {false, true}) {
    const LineServiceOptions options = more(true, holds);
    ServiceProcess donor(1, [&] { return run_line_service(options); });
    donor.await_message<v1::Owner>(Type::kOwner);
    RawHeir heir(donor, terms());
    heir.send_hello();
    const auto failed = donor.await_message<v1::Failed>(Type::kFailed);
    EXPECT_EQ(failed.code(), v1::UNCLAIMED);
    EXPECT_NE(failed.reason().find(holds ? "the new release knows no late sessions"
                                         : "the service has not the callbacks late, moved"),
              std::string::npos)
        << failed.reason();
  }
}

}  // namespace
}  // namespace handoff::test
