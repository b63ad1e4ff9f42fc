// Bytes of a layer between service and library, the keys of a connection, say. The memory that they
// were in is overwritten before it is used for something else.
#pragma once

#include <string.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace handoff {

// All that the string ever had in this memory, and not only what it has now.
inline void wipe(std::string& bytes) {
  bytes.resize(bytes.capacity());
  ::explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
}

// Makes room for more bytes. What the string had is not left in memory that it gives back.
inline void reserve_and_wipe(std::string& bytes, std::size_t more) {
  if (bytes.capacity() - bytes.size() >= more) return;
  std::string larger;
  larger.reserve(std::max(2 * bytes.size(), bytes.size() + more));
  larger = bytes;
  wipe(bytes);
  bytes.swap(larger);
}

class Secret {
 public:
  Secret() = default;
  ~Secret() { wipe(); }
  // A short string is copied, and leaves its bytes behind an empty one.
  Secret(Secret&& other) noexcept : bytes_(std::move(other.bytes_)) { handoff::wipe(other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    handoff::wipe(other.bytes_);
    return *this;
  }

  bool empty() const { return bytes_.empty(); }
  std::string_view view() const { return bytes_; }
  void append(std::string_view more) {
    reserve_and_wipe(bytes_, more.size());
    bytes_.append(more);
  }
  void wipe() {
    if (!bytes_.empty()) handoff::wipe(bytes_);
  }

 private:
  std::string bytes_;
};

}  // namespace handoff
