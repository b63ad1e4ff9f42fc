#include "loops.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace echo {
namespace {

// One uv loop and its Host.
class Loop {
 public:
  explicit Loop(handoff::Service& lane) : host_(start_loop(loop_), lane) {}
  ~Loop() {
    const auto close = [](uv_handle_t* handle, void*) {
      if (!uv_is_closing(handle)) uv_close(handle, nullptr);
    };
    uv_walk(&loop_, close, nullptr);  // closes the program's own handles
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  handoff::uv::Host& host() { return host_; }
  void run() {
    host_.start();
    uv_run(&loop_, UV_RUN_DEFAULT);
  }

 private:
  static uv_loop_t* start_loop(uv_loop_t& loop) {
    if (uv_loop_init(&loop) != 0) throw std::runtime_error("a loop can't be made");
    return &loop;
  }
  uv_loop_t loop_{};
  handoff::uv::Host host_;
};

}  // namespace

void run_loops(handoff::Service& service,
               const std::function<void(handoff::uv::Host& host)>& declare) {
  std::vector<std::unique_ptr<Loop>> loops;
  for (std::uint32_t i = 0; i < service.lanes(); ++i) {
    loops.push_back(std::make_unique<Loop>(service.lane(i)));
    declare(loops.back()->host());
  }
  service.start();
  // A handoff that fails ends the loops of an heir one by one, and the first of them says why. A
  // loop that fails otherwise ends the process: its sessions would get no answers.
  const auto run = [](Loop& loop) {
    try {
      loop.run();
    } catch (const handoff::Exception& e) {
      if (e.code() == HANDOFF_ERR_ABORTED) throw;
      std::fprintf(stderr, "echo: %s\n", e.what());
      std::_Exit(1);
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < loops.size(); ++i) {
    threads.emplace_back([&run, &loop = *loops[i]] {
      try {
        run(loop);
      } catch (const handoff::Exception&) {  // NOLINT(bugprone-empty-catch): the first loop says it
      }
    });
  }
  const auto join = [&threads] {
    for (std::thread& thread : threads) thread.join();
  };
  try {
    run(*loops.front());
  } catch (...) {
    join();
    throw;
  }
  join();
}

}  // namespace echo
