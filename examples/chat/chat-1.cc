// chat, release 1: the state of a connection is a name and a room.
#include <example/fields.h>
#include <example/program.h>

#include "chatter.h"
#include "listen.h"

namespace {

constexpr std::uint32_t kStateVersion = 1;  // { nick, room }

class Chatter1 : public chat::Chatter {
 public:
  using Chatter::Chatter;
  void restore(std::string_view state) {
    example::FieldReader fields(state);
    std::string nick = fields.text();
    std::string room = fields.text();
    fields.done();
    restore_as(std::move(nick), std::move(room));
  }
  std::string_view program() const final { return "chat 1"; }

 protected:
  std::string state() const { return example::FieldWriter().text(nick()).text(room()).take(); }
};

void run(const example::ProgramOptions& options) {
  chat::Rooms rooms;
  auto service = handoff::Service::open(
      {.name = options.name, .version = "1.0", .state_version = kStateVersion});
  service->section("history", rooms.history, {chat::History::kVersion}, {chat::History::kVersion});
  example::Door door(options.tls, *service);
  handoff::uv::Host host(uv_default_loop(), *service);
  chat::listen<Chatter1>(door, host, options.listen, rooms);
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = example::parse_options(
      argc, argv, {.listen = "tcp:127.0.0.1:7001", .name = "chat", .takes_tls = true});
  return example::run_program([&] { run(options); });
}
