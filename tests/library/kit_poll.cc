// The layer of poll.h, for kits.h.
#include <cstdio>
#include <thread>

#include "handoff/poll.h"
#include "kits.h"

namespace handoff::test {
namespace {

class PollLine final : public Line {
 public:
  PollLine(handoff_conn_t* c, std::unique_ptr<Session> made) : session(std::move(made)), c_(c) {
    session->line_ = this;
  }
  static PollLine& of(const handoff_conn_t* c) {
    return *static_cast<PollLine*>(handoff_conn_user(c));
  }

  void write(std::string_view bytes) override {
    handoff_conn_write(c_, bytes.data(), bytes.size());
  }
  void close() override { handoff_conn_close(c_); }
  void changed() override { handoff_conn_touch(c_); }
  void pause() override { handoff_conn_pause(c_); }
  void resume() override { handoff_conn_resume(c_); }
  void hold() override { handoff_conn_hold(c_); }
  void release() override { handoff_conn_release(c_); }
  std::size_t seen() const override { return handoff_conn_seen(c_); }
  int fd() const override { return handoff_conn_fd(c_); }
  int state() const override { return handoff_state(handoff_poll_service(handoff_conn_poll(c_))); }
  void each(const std::function<void(Line&)>& f) override {
    handoff_poll_each(
        handoff_conn_poll(c_),
        [](void* user, handoff_conn_t* c) {
          (*static_cast<const std::function<void(Line&)>*>(user))(of(c));
        },
        const_cast<std::function<void(Line&)>*>(&f));
  }

  const std::unique_ptr<Session> session;

 private:
  handoff_conn_t* c_;
};

const Program::Listener& listener_of(const handoff_conn_t* c) {
  return *static_cast<const Program::Listener*>(handoff_conn_context(c));
}

int make(handoff_conn_t* c, std::unique_ptr<Session> session) {
  if (!session) return HANDOFF_ERR_REJECTED;
  handoff_conn_set_user(c, new PollLine(c, std::move(session)));
  return 0;
}

handoff_conn_ops make_ops(bool with_overflow) {
  handoff_conn_ops ops{};
  ops.size = sizeof ops;
  ops.opened = [](handoff_conn_t* c) {
    const int result = make(c, listener_of(c).make());
    if (result == 0) PollLine::of(c).session->opened(false);
    return result;
  };
  ops.input = [](handoff_conn_t* c, const char* data, std::size_t length) {
    return PollLine::of(c).session->input({data, length});
  };
  ops.save = [](handoff_conn_t* c, handoff_saved_t* out) {
    const std::string state = PollLine::of(c).session->save();
    return handoff_save_state(out, state.data(), state.size());
  };
  ops.restore = [](handoff_conn_t* c, const void* state, std::size_t length) {
    return make(c, listener_of(c).remake({static_cast<const char*>(state), length}));
  };
  ops.adopted = [](handoff_conn_t* c) { PollLine::of(c).session->opened(true); };
  if (with_overflow) {
    ops.overflow = [](handoff_conn_t* c) { PollLine::of(c).session->overflow(); };
  }
  ops.closing = [](handoff_conn_t* c) { PollLine::of(c).session->closing(); };
  ops.closed = [](handoff_conn_t* c) { PollLine::of(c).session->closed(); };
  ops.moved = [](handoff_conn_t* c) { PollLine::of(c).session->moved(); };
  ops.destroy = [](handoff_conn_t* c) {
    delete static_cast<PollLine*>(handoff_conn_user(c));
    handoff_conn_set_user(c, nullptr);
  };
  return ops;
}

// What a kit's hooks know.
struct Running {
  const Program& program;
  handoff_t* service = nullptr;
  handoff_poll_t* kit = nullptr;
};

handoff_poll_t* open_kit(Running& running) {
  handoff_poll_options options{};
  options.size = sizeof options;
  options.user = &running;
  options.max_input = running.program.max_input;
  options.retired = [](void* user) {
    const auto& r = *static_cast<Running*>(user);
    if (r.program.retired) r.program.retired(handoff_poll_count(r.kit));
  };
  options.late = [](void* user, std::uint64_t waiting) {
    const auto& r = *static_cast<Running*>(user);
    if (r.program.late) r.program.late(waiting);
  };
  options.stopping = [](void* user, std::uint64_t) {
    const auto& r = *static_cast<Running*>(user);
    if (r.program.stopping) r.program.stopping();
  };
  if (handoff_poll_open(&running.kit, running.service, &options) < 0) return nullptr;
  for (const auto& listener : running.program.listeners) {
    // By default there is a line in the log, which tests of the default want to keep.
    const handoff_conn_ops ops = make_ops(listener.name != kByDefault);
    if (handoff_poll_listen(running.kit, listener.name.c_str(), "tcp:127.0.0.1:0", &ops,
                            const_cast<Program::Listener*>(&listener)) < 0) {
      std::fprintf(stderr, "%s\n", handoff_poll_last_error(running.kit));
      return nullptr;
    }
  }
  return running.kit;
}

Now now(const Running& r) {
  return {.state = handoff_state(r.service),
          .fd = handoff_fd(r.service),
          .address = handoff_named_address(r.service, r.program.listeners.front().name.c_str())};
}

int run_lane(Running& running) {
  const Program& program = running.program;
  int result = handoff_poll_start(running.kit);
  if (result < 0) return result == HANDOFF_ERR_ABORTED ? 3 : 2;
  if (program.started) program.started(now(running));
  if (program.tick_ms > 0) {
    handoff_poll_every(
        running.kit, program.tick_ms,
        [](void* user) { static_cast<Running*>(user)->program.tick(); }, &running);
  }
  do {
    if (program.each_turn) program.each_turn(now(running));
    result = handoff_poll_once(running.kit, -1);
  } while (result > 0);
  return result == 0 ? 0 : 2;
}

}  // namespace

int run_on_poll(const Program& program) {
  handoff_options options{};
  options.size = sizeof options;
  options.name = "test";
  options.version = "1";
  options.lanes = program.lanes;
  handoff_t* service = nullptr;
  if (handoff_open(&service, &options) < 0) return 2;
  std::vector<Running> kits(program.lanes, Running{program});
  for (std::uint32_t i = 0; i < program.lanes; ++i) {
    if (handoff_lane(service, i, &kits[i].service) < 0 || open_kit(kits[i]) == nullptr) return 2;
  }
  int result = 0;
  if (program.lanes > 1 && handoff_ready(service) < 0) return 2;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 1; i < program.lanes; ++i) {
    threads.emplace_back([&kits, i] { run_lane(kits[i]); });
  }
  result = run_lane(kits[0]);
  for (std::thread& thread : threads) thread.join();
  for (Running& running : kits) handoff_poll_close(running.kit);
  handoff_close(service);
  return result;
}

}  // namespace handoff::test
