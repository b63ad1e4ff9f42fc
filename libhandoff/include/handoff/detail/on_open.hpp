// Whether a class of Streams has something to do in on_open(): a switch visits no others. For
// uv.hpp and asio.hpp, whose Streams are its friends.
#ifndef HANDOFF_DETAIL_ON_OPEN_HPP
#define HANDOFF_DETAIL_ON_OPEN_HPP

#include <type_traits>

namespace handoff::detail {

struct OnOpen {
  // Whether every object that a T* can point to has Stream's own on_open(). An override that is not
  // public can't be named from here, and counts as one.
  template <class Stream, class T>
  static constexpr bool is_silent() {
    if constexpr (!std::is_final_v<T>) {
      return false;
    } else if constexpr (requires { &T::on_open; }) {
      return std::is_same_v<decltype(&T::on_open), void (Stream::*)(bool)>;
    } else {
      return false;
    }
  }
};

}  // namespace handoff::detail

#endif  // HANDOFF_DETAIL_ON_OPEN_HPP
