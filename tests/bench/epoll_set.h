// An epoll set whose members are told apart by a number. Throws std::system_error.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <optional>
#include <span>

#include "libhandoff/base/unique_fd.h"

namespace bench {

class EpollSet {
 public:
  void add(int fd, std::uint64_t key, std::uint32_t events = EPOLLIN) const;
  void change(int fd, std::uint64_t key, std::uint32_t events) const;
  // Waits until a member is ready or the time is over; without end, if there is no time. An
  // interrupted wait returns nothing. data.u64 of an event is the key. Events of this call are the
  // beginning of room.
  std::span<const epoll_event> wait(std::span<epoll_event> room,
                                    std::optional<std::uint64_t> timeout_ns) const;

 private:
  void control(int how, int fd, std::uint64_t key, std::uint32_t events) const;

  handoff::UniqueFd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
};

}  // namespace bench
