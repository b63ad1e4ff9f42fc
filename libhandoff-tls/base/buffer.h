// Bytes that are appended at the end and consumed from the front.
//
// A std::string zeroes what a cipher is about to overwrite, and moves all that is left with each
// byte that is consumed. This one does neither, and has no memory while it is empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

namespace handoff::tls {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { std::free(bytes_); }

  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  const std::uint8_t* data() const { return bytes_ + begin_; }
  std::string_view view() const {
    return empty() ? std::string_view() : std::string_view(as_chars() + begin_, size());
  }

  // Room for n bytes behind the end, which commit() makes part of the buffer. Throws bad_alloc, and
  // changes nothing then.
  std::uint8_t* room(std::size_t n) {
    if (n > capacity_ - end_) make_room(n);
    return bytes_ + end_;
  }
  void commit(std::size_t n) { end_ += n; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void consume(std::size_t n) {
    begin_ += n;
    if (empty()) *this = Buffer();
  }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }
  const char* as_chars() const { return reinterpret_cast<const char*>(bytes_); }
  void make_room(std::size_t n) {
    const std::size_t left = size();
    if (n > SIZE_MAX / 4 - left) throw std::bad_alloc();
    // Moving is worth it where it at least halves what lies in the buffer.
    if (begin_ < left || n > capacity_ - left) {
      const std::size_t capacity = left + n + left / 2;
      auto* const bytes = static_cast<std::uint8_t*>(std::malloc(capacity));
      if (bytes == nullptr) throw std::bad_alloc();
      if (left > 0) std::memcpy(bytes, bytes_ + begin_, left);
      std::free(bytes_);
      bytes_ = bytes;
      capacity_ = capacity;
    } else {
      std::memmove(bytes_, bytes_ + begin_, left);
    }
    begin_ = 0;
    end_ = left;
  }

  std::uint8_t* bytes_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace handoff::tls
