// Room for large answers: the part of uv.hpp that its users need not read.
//
// An output of more than 64 KiB gives its memory back once it is sent, so that thousands of quiet
// connections take little. For the next large answer the kernel would have to give as many new
// pages, which takes longer than to send what is in them. So a Host keeps a few such buffers for
// all of its Streams: Engine::spares_, of at most 2 MiB each.
#ifndef HANDOFF_DETAIL_UV_ROOM_HPP
#define HANDOFF_DETAIL_UV_ROOM_HPP

#include <handoff/uv.hpp>

#include <string>

namespace handoff::uv {

// output was sent.
inline void Engine::give_room_back(std::string& output) {
  output.clear();
  if (output.capacity() <= kSmallOutput) return;
  if (spare_count_ < spares_.size() && output.capacity() <= 2 * kHighWater) {
    spares_[spare_count_++].swap(output);
  }
  std::string().swap(output);
}

// output is about to have so many bytes more. What it has stays in it.
inline void Engine::take_room(std::string& output, std::size_t more) {
  if (spare_count_ == 0 || output.capacity() > kSmallOutput) return;
  if (output.size() + more <= kSmallOutput) return;
  std::string& spare = spares_[--spare_count_];
  spare.assign(output);
  spare.swap(output);
  std::string().swap(spare);
}

}  // namespace handoff::uv

#endif  // HANDOFF_DETAIL_UV_ROOM_HPP
