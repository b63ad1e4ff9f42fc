// A section of a given size in one piece of memory, by the C interface. Bytes go straight into the
// chunk, and straight from it to their place.
#pragma once

#include <handoff/handoff.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace bench {

class BigSection {
 public:
  explicit BigSection(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    void* const at =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<char*>(at);
  }
  ~BigSection() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
  }
  BigSection(const BigSection&) = delete;
  BigSection& operator=(const BigSection&) = delete;

  void declare(handoff_t* service) {
    handoff_section_ops ops{};
    ops.size = sizeof ops;
    ops.begin = [](void* self, std::uint32_t) {
      of(self).at_ = 0;
      return 0;
    };
    ops.read = [](void* self, int phase, void* chunk, std::size_t capacity) {
      return phase == HANDOFF_PHASE_SNAPSHOT ? of(self).read(chunk, capacity) : 0;
    };
    ops.end = [](void*, int) {};
    ops.write = [](void* self, std::uint32_t, const void* chunk, std::size_t length) {
      return of(self).write(chunk, length);
    };
    ops.finish = [](void* self) { return of(self).at_ == of(self).bytes_ ? 0 : -1; };
    ops.reset = [](void* self) { of(self).at_ = 0; };
    const std::uint32_t version = 1;
    if (handoff_section(service, "big", &version, 1, &version, 1, &ops, this) < 0) {
      throw std::runtime_error(handoff_last_error(service));
    }
  }
  // The first owner fills the memory: pages that were never written would cost nothing.
  void fill_if_new() {
    if (at_ == 0) std::memset(data_, 'd', bytes_);
  }

 private:
  static BigSection& of(void* self) { return *static_cast<BigSection*>(self); }
  ssize_t read(void* chunk, std::size_t capacity) {
    const std::size_t n = std::min(capacity, bytes_ - at_);
    std::memcpy(chunk, data_ + at_, n);
    at_ += n;
    return static_cast<ssize_t>(n);
  }
  int write(const void* chunk, std::size_t length) {
    if (length > bytes_ - at_) return -1;
    std::memcpy(data_ + at_, chunk, length);
    at_ += length;
    return 0;
  }

  std::size_t bytes_;
  char* data_ = nullptr;
  std::size_t at_ = 0;  // how many bytes are copied; in an heir, how many have come
};

}  // namespace bench
