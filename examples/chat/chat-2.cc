// chat, release 2: /who also tells for how long people have been in the room, and silent.
#include <example/fields.h>
#include <example/program.h>

#include <algorithm>

#include "chatter.h"
#include "listen.h"

namespace {

constexpr std::uint32_t kStateVersion = 2;  // { nick, room, joined_at, heard_at }, times in ns
constexpr std::uint64_t kUnknown = 0;       // of what happened under release 1, which kept no times

// "42 s", "7 min", "3 h"
std::string since(std::uint64_t then_ns) {
  const std::uint64_t seconds = (uv_hrtime() - then_ns) / 1'000'000'000;
  if (seconds < 60) return std::to_string(seconds) + " s";
  if (seconds < 3600) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h";
}

class Chatter2 : public chat::Chatter {
 public:
  using Chatter::Chatter;
  void restore(std::string_view state) {
    example::FieldReader fields(state);
    std::string nick = fields.text();
    std::string room = fields.text();
    joined_at_ = fields.number();
    heard_at_ = fields.number();
    fields.done();
    restore_as(std::move(nick), std::move(room));
  }
  std::string_view program() const final { return "chat 2"; }
  std::string describe() const final {
    const std::string joined =
        joined_at_ == kUnknown ? "joined under chat 1" : "joined " + since(joined_at_) + " ago";
    const std::string idle =
        heard_at_ == kUnknown ? "silent since then" : "idle for " + since(heard_at_);
    std::string name = nick();
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    return name + "  " + joined + ", " + idle;
  }

 protected:
  void on_heard() final { heard_at_ = uv_hrtime(); }
  void on_joined() final { joined_at_ = uv_hrtime(); }
  std::string state() const {
    return example::FieldWriter()
        .text(nick())
        .text(room())
        .number(joined_at_)
        .number(heard_at_)
        .take();
  }

 private:
  // CLOCK_MONOTONIC, which all processes of this host share.
  std::uint64_t joined_at_ = kUnknown;
  std::uint64_t heard_at_ = kUnknown;
};

std::string state_1_to_2(std::string_view state) {
  example::FieldReader fields(state);
  const std::string nick = fields.text();
  const std::string room = fields.text();
  fields.done();
  return example::FieldWriter().text(nick).text(room).number(kUnknown).number(kUnknown).take();
}
std::string state_2_to_1(std::string_view state) {
  example::FieldReader fields(state);
  const std::string nick = fields.text();
  const std::string room = fields.text();
  fields.number();
  fields.number();
  fields.done();
  return example::FieldWriter().text(nick).text(room).take();
}

void run(const example::ProgramOptions& options) {
  chat::Rooms rooms;
  auto service = handoff::Service::open(
      {.name = options.name, .version = "2.0", .state_version = kStateVersion});
  example::Door door(options.tls, *service);
  service->on_upgrade_state(1, 2, state_1_to_2);
  service->on_downgrade_state(2, 1, state_2_to_1);
  service->section("history", rooms.history, {chat::History::kVersion}, {chat::History::kVersion});
  handoff::uv::Host host(uv_default_loop(), *service);
  chat::listen<Chatter2>(door, host, options.listen, rooms);
  host.start();
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = example::parse_options(
      argc, argv, {.listen = "tcp:127.0.0.1:7001", .name = "chat", .takes_tls = true});
  return example::run_program([&] { run(options); });
}
