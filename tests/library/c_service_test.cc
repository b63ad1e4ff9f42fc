// A service in C terms, as a binding for another language makes one: what it forgets is said.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

#include "handoff/handoff.h"
#include "support/peers/service_process.h"

namespace handoff::test {
namespace {

using protocol::Type;
using ::testing::HasSubstr;

// In the first generation it has a session. An exit status of 2 is a failed call.
struct CService {
  bool saves = true;
  bool stateless = false;
  bool with_retired = true;
  bool with_restore = true;
  std::string log = {};
  bool over = false;

  static CService& of(void* user) { return *static_cast<CService*>(user); }

  int run() {
    handoff_options options{};
    options.size = sizeof options;
    options.name = "test";
    options.version = "1.2+dfsg~rc1";
    options.user = this;
    options.log = [](void* user, int, const char* text) { of(user).log += text; };
    handoff_t* h = nullptr;
    if (handoff_open(&h, &options) < 0) return 2;
    if (stateless && handoff_stateless(h, "session") < 0) return 2;
    handoff_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.save = [](void* user, std::uint64_t, handoff_saved_t* out) {
      return of(user).saves ? handoff_save_state(out, nullptr, 0) : 0;
    };
    if (with_restore) callbacks.restore = [](void*, const handoff_adopted*) { return 0; };
    if (with_retired) {
      callbacks.retired = [](void* user, std::uint64_t) { of(user).over = true; };
    }
    callbacks.stop = [](void* user, int, std::uint64_t) { of(user).over = true; };
    if (handoff_set_callbacks(h, &callbacks, this) < 0) return 2;
    if (handoff_ready(h) < 0) return 2;
    if (handoff_wait(h, -1) < 0) return 3;
    std::array<int, 2> pair{-1, -1};
    std::uint64_t id = 0;
    if (handoff_generation(h) == 1 &&
        (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) < 0 ||
         handoff_session_open(h, pair[0], nullptr, &id) < 0)) {
      return 2;
    }
    handoff_dispatch(h);  // says that it is the owner
    while (!over) {
      pollfd ready{handoff_fd(h), POLLIN, 0};
      if (::poll(&ready, 1, -1) < 0) return 2;
      handoff_dispatch(h);
    }
    handoff_close(h);
    return 0;
  }
};

TEST(CServiceTest, ASaveThatSavedNothingFailsTheHandoff) {
  ServiceProcess donor(1, [] { return CService{.saves = false}.run(); });
  donor.await_message<v1::Owner>(Type::kOwner);
  const auto heir = start_heir(donor, 2, [] { return CService{}.run(); });
  const auto failed = donor.await_message<v1::Failed>(Type::kFailed);
  EXPECT_EQ(v1::REJECTED, failed.code());
  EXPECT_THAT(failed.reason(), HasSubstr(" returned 0 and saved nothing"));
}

TEST(CServiceTest, AnEmptyStateIsAState) {
  ServiceProcess donor(1, [] { return CService{}.run(); });
  donor.await_message<v1::Owner>(Type::kOwner);
  const auto heir = start_heir(donor, 2, [] { return CService{}.run(); });
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, donor.wait());
}

TEST(CServiceTest, AKindWithoutAStateSaysSo) {
  ServiceProcess donor(1, [] { return CService{.saves = false, .stateless = true}.run(); });
  donor.await_message<v1::Owner>(Type::kOwner);
  const auto heir = start_heir(donor, 2, [] { return CService{}.run(); });
  EXPECT_EQ(1U, heir->await_message<v1::Owner>(Type::kOwner).sessions());
  EXPECT_EQ(0, donor.wait());
}

void stop(ServiceProcess& service) { send(service.control(), Type::kStop, v1::Stop()); }

// Runs the service with a supervisor until it is stopped, and expects its log.
void expect_log(CService service, const ::testing::Matcher<std::string>& log) {
  ServiceProcess process(1, [&] {
    const int status = service.run();
    EXPECT_THAT(service.log, log);
    return ::testing::Test::HasFailure() ? 1 : status;
  });
  process.await_message<v1::Owner>(Type::kOwner);
  stop(process);
  EXPECT_EQ(0, process.wait());
}

TEST(CServiceTest, WhatAnUpgradeNeedsIsMissedAtTheStart) {
  expect_log({}, ::testing::IsEmpty());
  expect_log({.with_retired = false}, HasSubstr("this service has no retired()"));
  expect_log({.with_restore = false}, HasSubstr("has sessions and no restore()"));
}

// The supervisor's Start comes once, so a second handle would run without a supervisor.
TEST(CServiceTest, AProcessOpensItsServiceOnce) {
  ServiceProcess process(1, [] {
    CService first, second;
    const int status = first.run();
    if (status != 0) return status;
    EXPECT_EQ(2, second.run());
    EXPECT_THAT(second.log, HasSubstr("is a service of the supervisor already"));
    return ::testing::Test::HasFailure() ? 1 : 0;
  });
  process.await_message<v1::Owner>(Type::kOwner);
  stop(process);
  EXPECT_EQ(0, process.wait());
}

}  // namespace
}  // namespace handoff::test
