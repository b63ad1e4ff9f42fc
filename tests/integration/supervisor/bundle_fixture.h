// A service that is upgraded to bundles, by a supervisor with a config.
#pragma once

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fixture.h"
#include "support/process/files.h"
#include "support/process/process.h"
#include "support/process/programs.h"

namespace handoff::test {

namespace fs = std::filesystem;
using nlohmann::json;

class BundleTest : public SupervisorTest {
 protected:
  void configure(const std::string& more, const std::string& binary) {
    write_file(config,
               "[service.chat]\ncommand = [\"" + binary +
                   "\", \"--name\", \"chat\"]\nlisten = { public = \"tcp:127.0.0.1:0\" }\n" + more);
  }
  void start_and_wait(const std::string& more = "",
                      const std::string& binary = program("handoff-echo-1")) {
    configure(more, binary);
    supervisor.start(configured(config));
  }
  void run(const std::string& more, const std::string& binary) {
    configure(more, binary);
    supervisor.run({"--config", config});
  }
  // echo 2 with its library, under that version; binary: another one in its place.
  std::string bundle(const std::string& version,
                     const std::string& binary = program("bundled_echo"),
                     const std::string& file = "bundle.tar") {
    const std::string folder = supervisor.dir() / "pack";
    fs::remove_all(folder);
    fs::create_directories(folder + "/bin");
    fs::create_directories(folder + "/lib");
    write_file(folder + "/release.toml", "name = \"chat\"\nversion = \"" + version +
                                             "\"\nprogram = \"bin/chat\"\nargs = [\"--name\", "
                                             "\"chat\"]\n");
    fs::copy_file(binary, folder + "/bin/chat");
    fs::copy_file(LIBHANDOFF, folder + "/lib/" LIBHANDOFF_SONAME);
    fs::create_symlink(LIBHANDOFF_SONAME, folder + "/lib/libhandoff.so");
    const std::string path = supervisor.dir() / file;
    shell("tar -C " + folder + " -caf " + path + " .");
    return path;
  }
  json upgrade(const std::vector<std::string>& arguments, int status = 0) {
    // What is asked here is not how long a host that has just unpacked a bundle may take.
    std::vector<std::string> all{"upgrade", "--json", "--freeze-budget", "5s", "chat"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = supervisor.command(all);
    EXPECT_EQ(outcome.status, status) << outcome.out << outcome.err;
    return json::parse(outcome.out.substr(outcome.out.rfind('\n', outcome.out.size() - 2) + 1));
  }
  std::vector<std::string> releases() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry :
         fs::directory_iterator(supervisor.runtime() + "/releases/chat", none)) {
      out.push_back(entry.path().filename());
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  void crash() {
    const json before = supervisor.status();
    ASSERT_EQ(::kill(before.at("pid"), SIGKILL), 0);
    const json after = supervisor.wait_for_status([&](const json& now) {
      return now.at("state") == "running" && now.at("pid") != before.at("pid");
    });
    EXPECT_EQ(after.at("digest"), before.at("digest"));
    EXPECT_EQ(after.at("path"), before.at("path"));
  }
  using Names = std::vector<std::string>;

  std::string config = supervisor.dir() / "handoff.toml";
};

}  // namespace handoff::test
