#include "supervisor/loop/thread_work.h"

#include <deque>
#include <map>
#include <memory>
#include <utility>

namespace handoff::supervisor {
namespace {

struct Work {
  uv_work_t request{};
  std::function<void()> run;
  std::function<void()> after;
};

// The works of one loop that have ended, and wait for their turns. libuv tells of all of them in
// one.
struct Ended {
  uv_idle_t turn{};  // called once a turn while it is started, and lets the loop wait for nothing
  std::deque<std::unique_ptr<Work>> works;
};

std::map<uv_loop_t*, std::unique_ptr<Ended>>& ended_of_all() {
  thread_local std::map<uv_loop_t*, std::unique_ptr<Ended>> all;
  return all;
}

void take_turn(uv_idle_t* turn) {
  auto* const ended = static_cast<Ended*>(turn->data);
  const std::unique_ptr<Work> work = std::move(ended->works.front());
  ended->works.pop_front();
  if (ended->works.empty()) {
    // Its memory is libuv's until it is closed.
    (void)ended_of_all().extract(turn->loop).mapped().release();
    uv_close(reinterpret_cast<uv_handle_t*>(turn),
             [](uv_handle_t* closed) { delete static_cast<Ended*>(closed->data); });
  }
  work->after();
}

void queue(std::unique_ptr<Work> work) {
  std::unique_ptr<Ended>& ended = ended_of_all()[work->request.loop];
  if (!ended) {
    ended = std::make_unique<Ended>();
    uv_idle_init(work->request.loop, &ended->turn);
    ended->turn.data = ended.get();
    uv_idle_start(&ended->turn, take_turn);
  }
  ended->works.push_back(std::move(work));
}

}  // namespace

bool on_a_thread(uv_loop_t* loop, std::function<void()> run, std::function<void()> after) {
  auto work = std::make_unique<Work>();
  work->run = std::move(run);
  work->after = std::move(after);
  work->request.data = work.get();
  const auto begin = [](uv_work_t* request) { static_cast<Work*>(request->data)->run(); };
  const auto end = [](uv_work_t* request, int) {
    queue(std::unique_ptr<Work>(static_cast<Work*>(request->data)));
  };
  if (uv_queue_work(loop, &work->request, begin, end) < 0) return false;
  (void)work.release();  // `end` takes it
  return true;
}

}  // namespace handoff::supervisor
