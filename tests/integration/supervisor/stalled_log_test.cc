// A log that nobody reads any more, though its reader is there: a full pipe holds up neither the
// supervisor nor what its services have to say of themselves.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>

#include "fixture.h"
#include "support/clients/line_client.h"
#include "support/process/files.h"
#include "support/process/programs.h"

namespace handoff::test {
namespace {

using nlohmann::json;

class StalledLogTest : public ::testing::Test {
 protected:
  StalledLogTest() {
    EXPECT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    reader.reset(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    EXPECT_GT(::fcntl(reader.get(), F_SETPIPE_SZ, 4096), 0);
    config = dir / "handoff.toml";
    write_file(config, text("1s"));
  }
  // What it says goes into the pipe, and so does what its services say.
  void start() {
    supervisor.options().wrapper = {"/bin/bash", "-c", "exec \"$@\" 2>" + fifo, "bash"};
    supervisor.run({"--config", config});
    supervisor.wait_for_state("running");
  }
  static std::string text(const std::string& drain) {
    return "[service.chat]\ncommand = [\"" + program("handoff-echo-1") +
           "\", \"--name\", \"chat\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\ndrain = \"" +
           drain + "\"\n";
  }
  // Each is several lines.
  void say_much() {
    for (int i = 0; i < 100; ++i) {
      write_file(config, text(std::to_string(2 + i) + "s"));
      ASSERT_EQ(supervisor.command({"reload"}).status, 0) << i;
    }
  }
  std::string read_all() {
    std::string out;
    std::array<char, 4096> chunk{};
    for (;;) {
      const ssize_t n = ::read(reader.get(), chunk.data(), chunk.size());
      if (n <= 0) return out;
      out.append(chunk.data(), static_cast<std::size_t>(n));
    }
  }

  TempDir dir;
  std::string fifo = dir / "log";
  std::string config;
  UniqueFd reader;
  Supervisor supervisor;
};

TEST_F(StalledLogTest, HoldsUpNobody) {
  start();
  LineClient client(supervisor.port());
  say_much();
  EXPECT_EQ(client.ask("hello"), "1 1 hello");
  const auto upgrade = supervisor.command({"upgrade", "chat", program("handoff-echo-2")});
  EXPECT_EQ(upgrade.status, 0) << upgrade.describe();
  EXPECT_EQ(client.ask("hello"), "2 2 hello");
  // The service complains that its supervisor has gone, into the same pipe.
  supervisor.kill();
  EXPECT_EQ(client.ask("hello"), "3 2 hello");
  start();
  EXPECT_EQ(client.ask("hello"), "4 2 hello");
  EXPECT_EQ(supervisor.terminate().status, 0);
}

TEST_F(StalledLogTest, WhatWasLeftOutIsTold) {
  start();
  // A quarter of a mebibyte waits in the supervisor, and four KiB in the pipe.
  const std::string path = "/nowhere/" + std::string(3000, 'x');
  for (int i = 0; i < 120; ++i) {
    (void)supervisor.command({"upgrade", "chat", path});
  }
  std::string all;
  ASSERT_TRUE(supervisor.eventually([&] {
    all += read_all();
    return all.find(" lines of the log were left out here") != std::string::npos;
  })) << all.size();
  EXPECT_NE(all.find("chat: running"), std::string::npos) << "the oldest are there";
}

}  // namespace
}  // namespace handoff::test
