#include "supervised.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <sstream>

namespace handoff::test::supervised {

using nlohmann::json;

const std::string& handoff_program() {
  static const std::string path = HANDOFF_PROGRAM;
  return path;
}
const std::string& fake_service() {
  static const std::string path = FAKE_SERVICE;
  return path;
}

Supervised::Supervised(Environment environment) : environment_(std::move(environment)) {
  environment_["HANDOFF_RUNTIME_DIR"] = runtime();
}

Supervised::~Supervised() {
  if (!supervisor_ || supervisor_->pid() < 0) return;
  if (testing::Test::HasFailure()) std::fprintf(stderr, "%s\n", log().c_str());
  supervisor_->signal(SIGTERM);
  if (!eventually([this] { return log().find("all services have stopped") != std::string::npos; },
                  3s)) {
    supervisor_->signal(SIGTERM);  // once more: at once
  }
  supervisor_->wait();
}

void Supervised::run(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{handoff_program(), "run"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  supervisor_ = std::make_unique<Child>(argv, environment_, dir_ / "supervisor");
}

void Supervised::start(const std::vector<std::string>& service_args,
                       const std::vector<std::string>& options) {
  std::vector<std::string> arguments{"--name", "chat", "--listen", "public=tcp:127.0.0.1:0"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.insert(arguments.end(), {"--", fake_service()});
  arguments.insert(arguments.end(), service_args.begin(), service_args.end());
  run(arguments);
  ASSERT_TRUE(wait_for_state("running")) << log();
}

std::unique_ptr<Child> Supervised::cli_start(const std::vector<std::string>& arguments,
                                             const std::string& name) const {
  std::vector<std::string> argv{handoff_program()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return std::make_unique<Child>(argv, environment_, dir_ / name);
}

Outcome Supervised::cli(const std::vector<std::string>& arguments) const {
  return cli_start(arguments, "command" + std::to_string(++commands_))->wait(60s);
}

Supervised::Upgraded Supervised::upgrade(const std::vector<std::string>& service_args,
                                         const std::vector<std::string>& options) const {
  std::vector<std::string> arguments{"upgrade", "chat", "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), service_args.begin(), service_args.end());
  const Outcome outcome = cli(arguments);
  Upgraded upgraded{.status = outcome.status};
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    upgraded.events.push_back(json::parse(line, nullptr, false));
    EXPECT_FALSE(upgraded.events.back().is_discarded()) << line;
  }
  if (!upgraded.events.empty()) upgraded.done = upgraded.events.back();
  EXPECT_TRUE(upgraded.done.is_object() && upgraded.done.value("event", "") == "done")
      << outcome.out << outcome.err;
  return upgraded;
}

json Supervised::status(const std::string& service) const {
  const Outcome outcome = cli({"status", service, "--json"});
  if (outcome.status != 0) return nullptr;
  return json::parse(outcome.out).at("services").at(0);
}

bool Supervised::wait_for_state(const std::string& state, const std::string& service) const {
  return eventually([&] {
    const json now = status(service);
    return now.is_object() && now.at("state") == state;
  });
}

int Supervised::port() const {
  const auto address = status().at("listeners").at(0).at("address").get<std::string>();
  return std::stoi(address.substr(address.rfind(':') + 1));
}

std::string Supervised::ask_service() const {
  const int fd = connect_to(port());
  if (fd < 0) return "refused";
  std::string text = read_all(fd);
  ::close(fd);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::size_t Supervised::fds() const {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/fd")) {
    ++count;
  }
  return count;
}

void Supervised::settle() const {
  EXPECT_TRUE(eventually([this] {
    const json now = status();
    return !now.is_object() || now.at("leaving").empty();
  }));
}

std::size_t Supervised::settled_fds() const {
  const std::string socket = runtime() + "/control.sock";
  const auto clients = [&socket] {
    std::istringstream table(read_file("/proc/net/unix"));
    int count = 0;
    for (std::string line; std::getline(table, line);) {
      // An accepted connection has the listener's path, but does not listen (flag 00010000).
      if (line.ends_with(socket) && line.find(" 00010000 ") == std::string::npos) ++count;
    }
    return count;
  };
  settle();
  EXPECT_TRUE(eventually([&] { return clients() == 0; })) << clients() << " clients are left";
  return fds();
}

Outcome Supervised::terminate() {
  supervisor_->signal(SIGTERM);
  return supervisor_->wait();
}

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

std::string read_all(int fd, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::string text;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0) {
      return text + "(no end)";
    }
    std::array<char, 4096> chunk;
    const ssize_t n = ::read(fd, chunk.data(), chunk.size());
    if (n <= 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

}  // namespace handoff::test::supervised
