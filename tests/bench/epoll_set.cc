#include "epoll_set.h"

#include <cerrno>
#include <ctime>
#include <system_error>

namespace bench {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

void EpollSet::add(int fd, std::uint64_t key, std::uint32_t events) const {
  control(EPOLL_CTL_ADD, fd, key, events);
}

void EpollSet::change(int fd, std::uint64_t key, std::uint32_t events) const {
  control(EPOLL_CTL_MOD, fd, key, events);
}

void EpollSet::control(int how, int fd, std::uint64_t key, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  if (::epoll_ctl(epoll_.get(), how, fd, &event) < 0) fail("bench: epoll_ctl");
}

std::span<const epoll_event> EpollSet::wait(std::span<epoll_event> room,
                                            std::optional<std::uint64_t> timeout_ns) const {
  timespec timeout{};
  if (timeout_ns) {
    timeout.tv_sec = static_cast<std::time_t>(*timeout_ns / kNsPerSecond);
    timeout.tv_nsec = static_cast<long>(*timeout_ns % kNsPerSecond);
  }
  const int n = ::epoll_pwait2(epoll_.get(), room.data(), static_cast<int>(room.size()),
                               timeout_ns ? &timeout : nullptr, nullptr);
  if (n < 0 && errno != EINTR) fail("bench: epoll_pwait2");
  return room.first(n < 0 ? 0 : static_cast<std::size_t>(n));
}

}  // namespace bench
