// An upgrade without enough memory, in the heir or for the transfer, fails, says why and what to
// do, and disturbs nobody (invariant I5, docs/invariants.md). Tested with sections, and with
// sessions of a large state.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <optional>
#include <utility>

#include "support/clients/resp_client.h"
#include "support/process/files.h"
#include "support/process/proc.h"
#include "support/process/programs.h"
#include "support/supervisor/footprint.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr int kKeys = 160;                // of a MiB each
constexpr std::size_t kHalf = 80 * kMiB;  // of a value that is still being sent

std::string kv(int version) { return program("handoff-kv-" + std::to_string(version)); }

class MemoryLimitTest : public ::testing::Test {
 protected:
  void start(const std::string& failpoints = "") {
    supervisor_.emplace(Supervisor::Options{
        .command = {kv(1)}, .name = "kv", .environment = {{"HANDOFF_FAILPOINT", failpoints}}});
    client_.emplace(supervisor_->port());
    uploader_.emplace(supervisor_->port());
    counter_ = 0;
    ASSERT_EQ(client_->ask("SET counter 0"), "OK");
  }
  void fill_section() {
    const std::string value(kMiB, 'x');
    for (int i = 0; i < kKeys; ++i) {
      ASSERT_EQ(client_->ask({"SET", "k" + std::to_string(i), value}), "OK");
    }
  }
  // A session whose state is large: half of a request.
  void send_half() {
    uploader_->send("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$" + std::to_string(2 * kHalf) + "\r\n");
    uploader_->send(std::string(kHalf, 'a'));
    // The service has read most of it; the kernel may still have the end.
  }
  void send_other_half() {
    uploader_->send(std::string(kHalf, 'b') + "\r\n");
    EXPECT_EQ(uploader_->reply(), "OK");
    EXPECT_EQ(client_->ask("GET big"), std::string(kHalf, 'a') + std::string(kHalf, 'b'));
  }
  // A release of kv with an address space of so many bytes.
  std::string limited(int version, std::size_t bytes) {
    const std::string path = dir_ / "limited";
    write_file(path,
               "#!/bin/sh\nulimit -v " + std::to_string(bytes / 1024) + " && exec " + kv(version) +
                   " \"$@\"\n",
               0755);
    return path;
  }
  void fail_unnoticed(const std::string& binary, const std::vector<std::string>& words) {
    const Footprint before(*supervisor_);
    expect_failed(supervisor_->upgrade(binary, {}, {"--freeze-budget", "10s"}), "resources", words);
    before.expect_unchanged();
    const std::string log = supervisor_->log();
    EXPECT_EQ(log.find("SIGSEGV"), std::string::npos) << log;
    EXPECT_EQ(client_->ask("INCR counter"), ":" + std::to_string(++counter_));
  }
  void succeed() {
    const auto upgrade = supervisor_->upgrade(kv(2), {}, {"--freeze-budget", "10s"});
    EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
    EXPECT_EQ(client_->ask("INCR counter"), ":" + std::to_string(++counter_));
  }

  TempDir dir_;
  std::optional<Supervisor> supervisor_;
  std::optional<RespClient> client_, uploader_;
  int counter_ = 0;
};

TEST_F(MemoryLimitTest, AnHeirWithoutMemoryForASectionFails) {
  start();
  fill_section();
  fail_unnoticed(limited(2, 160 * kMiB), {"section 'data'", "memory", "RLIMIT_AS", "MemoryMax="});
  succeed();
  EXPECT_EQ(client_->ask("DBSIZE"), ":" + std::to_string(kKeys + 1));
  EXPECT_EQ(client_->ask("GET k159"), std::string(kMiB, 'x'));
}

TEST_F(MemoryLimitTest, AnHeirWithoutMemoryForASessionFails) {
  start();
  send_half();
  // With a low limit the heir can't map the memfd; with a higher one it can't copy the bytes out.
  for (const std::size_t limit : {60 * kMiB, 100 * kMiB, 150 * kMiB}) {
    SCOPED_TRACE(limit);
    fail_unnoticed(limited(2, limit), {"memory", "RLIMIT_AS", "MemoryMax="});
  }
  succeed();
  send_other_half();
}

TEST_F(MemoryLimitTest, ADonorWithoutMemoryToSaveASessionServesOn) {
  start();
  send_half();
  const pid_t donor = supervisor_->service_pid();
  ASSERT_TRUE(supervisor_->eventually([&] { return status_field(donor, "VmRSS") * 1024 > kHalf; }));
  rlimit before{};
  ASSERT_EQ(::prlimit(donor, RLIMIT_AS, nullptr, &before), 0);
  for (const auto& [room, words] :
       {std::pair{4 * kMiB, std::vector<std::string>{"shared memory", "RLIMIT_AS"}},
        std::pair{32 * kMiB, std::vector<std::string>{"save() of session", "RLIMIT_AS"}}}) {
    const rlimit limit{status_field(donor, "VmSize") * 1024 + room, before.rlim_max};
    ASSERT_EQ(::prlimit(donor, RLIMIT_AS, &limit, nullptr), 0);
    fail_unnoticed(kv(2), words);
    ASSERT_EQ(::prlimit(donor, RLIMIT_AS, &before, nullptr), 0);
  }
  succeed();
  send_other_half();
}

TEST_F(MemoryLimitTest, ADonorWithoutMemoryForTheDeedServesOn) {
  for (const char* error : {"ENOSPC", "ENOMEM"}) {
    start(std::string("service.memory.create=error:") + error);
    fail_unnoticed(kv(2), {"shared memory", "MemoryMax="});
    succeed();
  }
}

TEST_F(MemoryLimitTest, ADonorWithoutMemoryForTheSectionsRingServesOn) {
  for (const char* error : {"ENOSPC", "ENOMEM"}) {
    start(std::string("service.memory.create@2=error:") + error);  // after the ownership word
    fail_unnoticed(kv(2), {"shared memory", "MemoryMax="});
    succeed();
  }
}

TEST_F(MemoryLimitTest, ADonorWithoutMemoryForALargeSessionServesOn) {
  for (const char* error : {"ENOSPC", "ENOMEM"}) {
    start(std::string("service.memory.create@3=error:") + error);  // after the ring
    send_half();
    fail_unnoticed(kv(2), {"shared memory", "MemoryMax="});
    succeed();
    send_other_half();
  }
}

}  // namespace
}  // namespace handoff::test
