// Listeners of the service `steps` that come, move and go by its configuration.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/clients/line_client.h"
#include "support/clients/sockets.h"
#include "support/process/files.h"
#include "support/process/programs.h"
#include "support/supervisor/supervisor.h"

namespace handoff::test {

// A port that nobody listens on, most probably.
inline int free_port() { return port_of(listen_on_loopback().get()); }
inline std::string tcp(int port) { return "tcp:127.0.0.1:" + std::to_string(port); }

inline nlohmann::json listener(const nlohmann::json& status, const std::string& name) {
  for (const nlohmann::json& one : status.at("listeners")) {
    if (one.at("name") == name) return one;
  }
  return nullptr;
}

class ListenersTest : public ::testing::Test {
 protected:
  // listen: the lines of the table.
  void write(const std::string& listen, const std::string& more = "") {
    write_file(path_, "[service.steps]\ncommand = [\"" + program("steps-1") +
                          "\"]\nprobation = \"1h\"\n" + more + "[service.steps.listen]\n" + listen);
  }
  void start(const std::string& listen, const std::string& more = "") {
    write(listen, more);
    Supervisor::Options options{.command = {}, .name = "steps"};
    options.file = path_;
    supervisor_.start(std::move(options));
  }
  nlohmann::json reload(const std::string& listen, const std::string& more = "") {
    write(listen, more);
    const auto outcome = supervisor_.command({"reload", "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.describe();
    return outcome.done();
  }
  std::string at(int port) { return "public = \"" + tcp(port) + "\"\n"; }
  // "refused" where nobody listens.
  static std::string ask(const std::string& address) {
    try {
      return LineClient(address).ask("x");
    } catch (const std::exception&) {
      return "refused";
    }
  }
  static std::string ask(int port) { return ask(tcp(port)); }
  // A listener that takes connections makes one at once. One that ends drops the SYN, and refuses
  // some seconds later.
  static bool lets_in(int port) {
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    (void)::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    pollfd made{client.get(), POLLOUT, 0};
    return ::poll(&made, 1, 200) > 0 && (made.revents & (POLLERR | POLLHUP)) == 0;
  }
  bool refuses(int port) {
    return supervisor_.eventually([port] { return !lets_in(port); });
  }
  void must(std::vector<std::string> command) {
    const auto outcome = supervisor_.command(std::move(command));
    EXPECT_EQ(outcome.status, 0) << outcome.describe();
  }

  bool state_has(const std::string& text) const {
    return read_file(supervisor_.runtime() + "/state.json").find(text) != std::string::npos;
  }

  TempDir dir_;
  const std::string path_ = dir_ / "handoff.toml";
  Supervisor supervisor_;
};

}  // namespace handoff::test
