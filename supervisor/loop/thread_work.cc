#include "supervisor/loop/thread_work.h"

#include <memory>
#include <utility>

namespace handoff::supervisor {
namespace {

struct Work {
  uv_work_t request{};
  std::function<void()> run;
  std::function<void()> after;
};

}  // namespace

bool on_a_thread(uv_loop_t* loop, std::function<void()> run, std::function<void()> after) {
  auto work = std::make_unique<Work>();
  work->run = std::move(run);
  work->after = std::move(after);
  work->request.data = work.get();
  const auto begin = [](uv_work_t* request) { static_cast<Work*>(request->data)->run(); };
  const auto end = [](uv_work_t* request, int) {
    const std::unique_ptr<Work> self(static_cast<Work*>(request->data));
    self->after();
  };
  if (uv_queue_work(loop, &work->request, begin, end) < 0) return false;
  (void)work.release();  // `end` takes it
  return true;
}

}  // namespace handoff::supervisor
