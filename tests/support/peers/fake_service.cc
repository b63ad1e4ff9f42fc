// A service that speaks the supervisor's protocol and misbehaves on request (fake_options.h). It
// answers each connection with "RELEASE GENERATION\n". Between donor and heir it exchanges four
// frames only: Hello (how many sessions there are), Listeners (with the fds), Release, Resumed.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "handoff.pb.h"
#include "libhandoff/protocol/channel.h"
#include "libhandoff/sys/process.h"
#include "support/clients/sockets.h"
#include "support/peers/fake_options.h"
#include "support/peers/fake_processes.h"
#include "support/peers/fake_surroundings.h"
#include "support/process/files.h"
#include "support/process/process.h"

namespace {

using handoff::UniqueFd;
using handoff::io::Channel;
using handoff::protocol::Type;
using handoff::test::listen_at;
using handoff::test::make_orphans;
using handoff::test::start_workers;
namespace v1 = handoff::v1;

const handoff::test::FakeOptions* given = nullptr;

const std::string& option(const char* name) { return given->text(name); }
std::uint64_t number(const char* name) { return given->number(name); }
std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000000000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}
void wait_for(const std::string& file) {
  if (!handoff::test::wait_for_file(file)) std::_Exit(96);
}
void drain(const UniqueFd& inotify) {
  std::array<char, 4096> events;
  while (::read(inotify.get(), events.data(), events.size()) > 0) {
  }
}
void exit_if_asked(const std::string& how) {
  if (how.starts_with("exit=")) std::_Exit(std::atoi(how.c_str() + 5));
}
[[noreturn]] void crash() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::signal(SIGSEGV, SIG_DFL);
  std::raise(SIGSEGV);
  std::_Exit(99);
}
[[noreturn]] void hang() {
  for (;;) ::pause();
}

struct Fake {
  Channel control;
  std::string service;
  std::uint64_t generation = 0;
  std::uint64_t handoff_id = 0;
  bool heir = false;
  bool retired = false;
  bool serves = false;
  std::uint64_t frozen_at = 0;
  std::uint64_t sessions = 0;  // as given by the command line, or by the donor
  std::optional<Channel> channel;
  std::vector<UniqueFd> listeners;

  template <class T>
  void say(Type type, const T& message) {
    (void)control.send(type, message.SerializeAsString());
  }

  void start(Channel::Message& message) {
    v1::Start start;
    start.ParseFromArray(message.body.data(), static_cast<int>(message.body.size()));
    service = start.service();
    generation = start.generation();
    heir = start.heir();
    const std::string how = option(heir ? "heir" : "fresh");
    exit_if_asked(how);
    if (how == "silent") hang();
    if (heir) {
      handoff_id = start.handoff().id();
      channel.emplace(std::move(message.fds.at(start.handoff().channel_index())));
    } else {
      listeners = std::move(message.fds);
      sessions = number("sessions");
    }
    say_register(service, false);
    if (how == "mute") hang();
    if (how == "crash-after-register") crash();
    if (how == "fail") fail(v1::REJECTED, "the fake heir does not want it");
    if (!heir) own(0, false);
    send_as_told();
  }

  void say_register(const std::string& its_service, bool returning) {
    v1::Register registration;
    registration.set_generation(generation);
    registration.set_returning(returning);
    registration.mutable_manifest()->set_service(its_service);
    registration.mutable_manifest()->set_release(option("release"));
    say(Type::kRegister, registration);
  }

  void reconnect() {
    UniqueFd fd = handoff::test::connect_unix(std::getenv("HANDOFF_RETURN"), SOCK_SEQPACKET);
    if (!fd.valid()) std::_Exit(0);
    control = Channel(std::move(fd));
    say_register(service, true);
    own(0, false);
  }

  void send_as_told() {
    const std::string& order = option("frame");
    const std::size_t colon = order.find(':');
    if (colon == std::string::npos) return;
    static const std::map<std::string, Type> kTypes{{"register", Type::kRegister},
                                                    {"owner", Type::kOwner},
                                                    {"status", Type::kStatus},
                                                    {"health", Type::kHealth},
                                                    {"start", Type::kStart}};
    std::ifstream file(order.substr(colon + 1), std::ios::binary);
    const std::string body{std::istreambuf_iterator<char>(file), {}};
    (void)control.send(kTypes.at(order.substr(0, colon)), body);
  }

  [[noreturn]] void fail(v1::Code code, const char* why) {
    tell_failed(code, why);
    std::_Exit(1);
  }
  void tell_failed(v1::Code code, const char* why) {
    v1::Failed failed;
    failed.set_handoff_id(handoff_id);
    failed.set_code(code);
    failed.set_reason(why);
    failed.set_at_ns(now_ns());
    say(Type::kFailed, failed);
  }

  void own(std::uint64_t lost, bool donor_died) {
    v1::Owner owner;
    owner.set_generation(generation);
    owner.set_handoff_id(heir ? handoff_id : 0);
    sessions -= lost;
    owner.set_sessions(heir && !option("owns").empty() ? number("owns") : sessions);
    owner.set_lost(lost);
    owner.set_donor_died(donor_died);
    if (heir) {
      owner.set_frozen_at_ns(frozen_at);
      owner.set_running_at_ns(now_ns());
      owner.mutable_blackout()->set_p99_us(1500);
      owner.mutable_blackout()->set_max_us(2000);
    }
    const std::string gate = option("own-after");
    if (heir && !gate.empty()) wait_for(gate);
    say(Type::kOwner, owner);
    if (heir && !gate.empty()) {
      const UniqueFd said(::open((gate + ".said").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    heir = false;
    if (!option("health").empty()) say_health(option("health") == "well");
    serves = true;
    if (option("heir") == "die-after-owner" && handoff_id != 0) crash();
  }

  void say_health(bool healthy) {
    v1::Health health;
    health.set_healthy(healthy);
    if (!healthy) health.set_reason("the fake database is gone");
    say(Type::kHealth, health);
  }

  void progress(v1::Phase phase, std::uint64_t sent) {
    v1::Progress report;
    report.set_handoff_id(handoff_id);
    report.set_phase(phase);
    report.set_at_ns(now_ns());
    report.set_sessions_sent(sent);
    report.set_sessions_total(sessions);
    report.set_bytes(sent * 100);
    say(Type::kProgress, report);
  }

  void donate(Channel::Message& message) {
    v1::Donate donate;
    donate.ParseFromArray(message.body.data(), static_cast<int>(message.body.size()));
    const std::string how = option("donor");
    if (how == "hang") hang();
    handoff_id = donate.handoff().id();
    channel.emplace(std::move(message.fds.at(donate.handoff().channel_index())));
    (void)channel->send(Type::kHello, std::to_string(sessions));
    progress(v1::PHASE_COPY, 0);
    if (!option("wait-for").empty()) wait_for(option("wait-for"));
    if (how == "fail") {
      // As a real donor does: to its heir a channel that closes without an Abort is the donor's
      // death.
      (void)channel->send(Type::kAbort, "");
      channel.reset();
      tell_failed(v1::INTERNAL, "the fake donor does not want it");
      return;
    }
    if (how == "die-in-copy") crash();
    progress(v1::PHASE_COPY, sessions);
    std::vector<int> fds;
    for (const UniqueFd& fd : listeners) fds.push_back(fd.get());
    (void)channel->send(Type::kListeners, "", fds);
    frozen_at = now_ns();
    progress(v1::PHASE_SWITCH, sessions);
    (void)channel->send(Type::kRelease, "");
  }

  void from_peer() {
    Channel::Message message;
    const auto received = channel->recv(message);
    const bool closed = !received || *received == Channel::Received::kClosed;
    if (received && *received == Channel::Received::kWouldBlock) return;
    if (!closed && message.header.type == Type::kHello) {
      sessions = std::strtoull(std::string(message.body).c_str(), nullptr, 10);
      return;
    }
    const std::string how = option("heir");
    if (heir && how == "segv-in-copy") crash();
    if (heir && how == "exit-in-copy") std::_Exit(7);
    if (heir && how == "hang-in-copy") hang();
    if (closed) {
      channel.reset();
      if (retired) return;
      if (heir) {
        own(number("lost"), true);
      } else {
        tell_failed(v1::PEER_DIED, "the heir closed the channel");
      }
      return;
    }
    switch (message.header.type) {
      case Type::kListeners:
        listeners = std::move(message.fds);
        break;
      case Type::kRelease:
        frozen_at = now_ns();
        (void)channel->send(Type::kResumed, "");
        if (how == "die-after-release") crash();
        own(0, false);
        channel.reset();
        break;
      case Type::kResumed:
        retire();
        break;
      case Type::kAbort:
        std::_Exit(3);
      default:
        std::_Exit(98);
    }
  }

  void retire() {
    listeners.clear();
    retired = true;
    v1::Retired report;
    report.set_handoff_id(handoff_id);
    report.set_at_ns(now_ns());
    report.set_sessions(sessions);
    report.set_bytes(sessions * 100);
    say(Type::kRetired, report);
    if (option("donor") == "stay") hang();
    if (option("donor") == "stay-on-term") {
      std::signal(SIGTERM, SIG_IGN);
      hang();
    }
    if (option("donor") == "linger") return channel.reset();
    std::_Exit(0);
  }

  void from_supervisor() {
    Channel::Message message;
    const auto received = control.recv(message);
    if (!received || *received == Channel::Received::kClosed) {
      if (option("flood") == "reconnect") return;
      std::_Exit(0);
    }
    if (*received == Channel::Received::kWouldBlock) return;
    if (message.header.type == Type::kStart) {
      start(message);
    } else if (message.header.type == Type::kDonate) {
      donate(message);
    } else if (message.header.type == Type::kStop && !given->ignores("stop")) {
      std::printf("stopped by the protocol\n");
      std::fflush(stdout);
      std::_Exit(0);
    } else if (message.header.type == Type::kQuery && !given->ignores("query")) {
      v1::Query query;
      query.ParseFromArray(message.body.data(), static_cast<int>(message.body.size()));
      v1::Status status;
      status.set_query_id(query.id());
      status.set_sessions(sessions);
      status.set_errors(number("errors"));
      if (query.processes()) name_process(status);
      say(Type::kStatus, status);
    }
  }

  static void name_process(v1::Status& status) {
    if (option("needs").empty()) return;
    const int pid = std::atoi(handoff::test::read_file(option("needs")).c_str());
    v1::SessionProcess& process = *status.add_processes();
    process.set_pid(static_cast<std::uint32_t>(pid));
    process.set_started(handoff::io::started_at(pid));
  }

  // As much as goes in.
  void flood() {
    if (option("flood") == "reconnect") return reconnect();
    for (int i = 0; i < 1000; ++i) {
      if (option("flood") == "health") say_health(i % 2 == 0);
      if (option("flood") == "owner") own(0, false);
      if (option("flood") == "register") say_register("another", true);
      if (option("flood") == "progress") say(Type::kProgress, v1::Progress());
    }
  }

  void answer(int listener) {
    const UniqueFd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) return;
    std::string text = option("release") + " " + std::to_string(generation) + "\n";
    if (!option("answer").empty()) text = option("answer");
    (void)!::write(client.get(), text.data(), text.size());
  }

  void run() {
    const std::string omen = option("ill-when");
    UniqueFd omens;
    if (!omen.empty()) omens = handoff::test::watch_folder_of(omen);
    for (;;) {
      if (serves && omens.valid() && ::access(omen.c_str(), F_OK) == 0) {
        say_health(false);
        omens.reset();
      }
      std::vector<pollfd> fds{{control.fd(), POLLIN, 0},
                              {channel ? channel->fd() : -1, POLLIN, 0},
                              {omens.get(), POLLIN, 0}};
      if (!heir) {
        for (const UniqueFd& fd : listeners) fds.push_back({fd.get(), POLLIN, 0});
      }
      const bool floods = serves && !option("flood").empty();
      if (floods) flood();
      if (::poll(fds.data(), fds.size(), floods ? 1 : -1) < 0) continue;
      for (std::size_t i = 3; i < fds.size(); ++i) {
        if (fds[i].revents != 0) answer(fds[i].fd);
      }
      if (fds[2].revents != 0) drain(omens);
      if (fds[1].revents != 0) from_peer();
      if (fds[0].revents != 0) from_supervisor();
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const handoff::test::FakeOptions options(argc, argv);
  if (!options.objection().empty()) {
    std::fprintf(stderr, "fake_service: %s\n", options.objection().c_str());
    return 2;
  }
  given = &options;
  if (given->ignores("stop")) std::signal(SIGTERM, SIG_IGN);
  const char* fd = std::getenv("HANDOFF_FD");
  if (fd == nullptr) return 97;
  handoff::test::print_surroundings();
  make_orphans(number("orphans"));
  listen_at(number("own-port"));
  start_workers(number("workers"));
  Fake fake{.control = Channel(UniqueFd(std::atoi(fd)))};
  fake.run();
}
