// chat, release 1: the state of a connection is a name and a room.
#include <example/fields.h>
#include <example/program.h>

#include <memory>

#include "chatter.h"

namespace {

constexpr std::uint32_t kStateVersion = 1;  // { nick, room }

class Chatter1 final : public chat::Chatter {
 public:
  using Chatter::Chatter;

  static std::unique_ptr<Chatter1> restore(chat::Rooms& rooms, std::string_view state) {
    example::FieldReader fields(state);
    std::string nick = fields.text();
    std::string room = fields.text();
    fields.done();
    return std::make_unique<Chatter1>(rooms, std::move(nick), std::move(room));
  }
  std::string_view release() const override { return "chat 1"; }

 protected:
  std::string save() const override {
    return example::FieldWriter().text(nick()).text(room()).take();
  }
};

void run(const example::ProgramOptions& options) {
  chat::Rooms rooms;
  auto service = handoff::Service::open(
      {.name = options.name, .version = "1.0", .state_version = kStateVersion});
  service->section("history", rooms.history, {chat::History::kVersion}, {chat::History::kVersion});
  handoff::uv::Host host(uv_default_loop(), *service);
  host.listen(
      "public", options.listen, [&] { return std::make_unique<Chatter1>(rooms); },
      [&](std::string_view state) { return Chatter1::restore(rooms, state); });
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options =
      example::parse_options(argc, argv, {.listen = "tcp:127.0.0.1:7001", .name = "chat"});
  return example::run_program([&] { run(options); });
}
