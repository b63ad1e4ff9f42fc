#include "supervisor/loop/line_writer.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace handoff::supervisor {
namespace {

std::atomic<std::size_t> unwritten{0};

}  // namespace

struct LineWriter::State {
  int fd = -1;
  std::string (*tell)(std::size_t) = nullptr;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::string> lines;
  std::size_t bytes = 0;
  std::size_t left_out = 0;
  bool writing = false;
  bool closing = false;

  // What can't be written for another reason than a reader's slowness is lost: there is nobody to
  // complain to.
  void put(std::string_view rest) const {
    while (!rest.empty()) {
      const ssize_t n = ::write(fd, rest.data(), rest.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
        (void)::poll(&room, 1, -1);
        continue;
      }
      if (n <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
  }

  void run() {
    std::unique_lock held(lock);
    for (;;) {
      changed.wait(held, [this] { return closing || !lines.empty(); });
      if (lines.empty()) return;
      std::string text;
      for (const std::string& line : lines) text += line;
      const std::size_t lost = std::exchange(left_out, 0);
      if (lost > 0) text += tell(lost);
      const std::size_t count = lines.size() + lost;
      lines.clear();
      bytes = 0;
      writing = true;
      held.unlock();
      put(text);
      unwritten -= count;
      held.lock();
      writing = false;
      changed.notify_all();
    }
  }
};

LineWriter::LineWriter(int fd, std::string (*left_out)(std::size_t), std::size_t before)
    : state_(std::make_shared<State>()) {
  state_->fd = fd;
  state_->tell = left_out;
  state_->left_out = before;
  unwritten += before;
  std::thread([state = state_] { state->run(); }).detach();
}

LineWriter::~LineWriter() {
  flush();
  const std::lock_guard held(state_->lock);
  state_->closing = true;
  state_->changed.notify_all();
}

void LineWriter::write(std::string line) {
  const std::lock_guard held(state_->lock);
  ++unwritten;
  if (state_->bytes + line.size() > kMaxWaiting) {
    ++state_->left_out;
    return;
  }
  state_->bytes += line.size();
  state_->lines.push_back(std::move(line));
  state_->changed.notify_all();
}

std::size_t LineWriter::unwritten_lines() { return unwritten; }

void LineWriter::flush() {
  std::unique_lock held(state_->lock);
  state_->changed.wait_for(held, kPatience,
                           [this] { return state_->lines.empty() && !state_->writing; });
}

}  // namespace handoff::supervisor
