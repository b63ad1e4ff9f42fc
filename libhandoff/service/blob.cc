#include "libhandoff/service/blob.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "libhandoff/base/description.h"
#include "libhandoff/base/secret.h"
#include "libhandoff/service/registry.h"

namespace handoff::io {
namespace {

constexpr std::size_t kHeader = 8;

Blob& of(void* user) { return *static_cast<Blob*>(user); }

int refuse(int code, const std::string& why) {
  if (Registry* const calling = Registry::calling()) calling->set_reason(why);
  return code;
}

}  // namespace

handoff_section_ops Blob::ops() {
  handoff_section_ops ops{};
  ops.size = sizeof ops;
  ops.begin = [](void* user, std::uint32_t) { return of(user).begin(); };
  ops.read = [](void* user, int, void* chunk, std::size_t capacity) {
    return of(user).read(static_cast<char*>(chunk), capacity);
  };
  ops.end = [](void* user, int) { (void)of(user).begin(); };
  ops.write = [](void* user, std::uint32_t, const void* chunk, std::size_t length) {
    return of(user).write(static_cast<const char*>(chunk), length);
  };
  ops.finish = [](void* user) { return of(user).finish(); };
  ops.reset = [](void* user) { of(user).reset(); };
  return ops;
}

void Blob::forget(std::optional<std::string>& value) {
  constexpr std::size_t kWiped = std::size_t{64} << 10;
  if (value && value->size() <= kWiped) wipe(*value);
  value.reset();
}

int Blob::begin() {
  forget(sent_);
  left_ = 0;
  ends_ = false;
  return 0;
}

// Saves the value if it is not under way. An Error is negative; 0: it is as it was.
int Blob::save() {
  handoff_buffer out;
  if (const int result = save_(user_, &out); result < 0) return result;
  if (out.error != 0) {  // its bytes lack something, whatever it returns
    return refuse(out.error,
                  "the save of blob '" + name_ +
                      "' returned 0, although handoff_buffer_append() had failed in it: " +
                      description(out.error));
  }
  if (out.bytes.size() > kMax) {
    return refuse(-E2BIG, "blob '" + name_ + "' has " + std::to_string(out.bytes.size()) +
                              " bytes, and " + std::to_string(kMax) +
                              " are the most; make a section of it");
  }
  std::optional<std::string> saved = std::move(out.bytes);
  const bool same = sent_ == saved;
  forget(same ? saved : sent_);
  if (same) return 0;
  sent_ = std::move(saved);
  left_ = sent_->size();
  return 1;
}

ssize_t Blob::read(char* chunk, std::size_t capacity) {
  if (std::exchange(ends_, false)) return 0;
  const bool begins = left_ == 0;
  if (begins) {
    if (const int saved = save(); saved <= 0) return saved;
  }
  if (!sent_) return 0;
  const std::string& value = *sent_;
  std::size_t filled = 0;
  std::uint64_t length = value.size();
  if (begins) {
    for (; filled < kHeader; ++filled, length >>= 8) chunk[filled] = static_cast<char>(length);
  }
  const std::size_t n = std::min(left_, capacity - filled);
  std::memcpy(chunk + filled, value.data() + (value.size() - left_), n);
  left_ -= n;
  ends_ = left_ == 0;
  return static_cast<ssize_t>(filled + n);
}

int Blob::write(const char* chunk, std::size_t length) {
  if (missing_ == 0) {
    std::uint64_t announced = 0;
    if (length < kHeader) return refuse(-EPROTO, "blob '" + name_ + "': a value has no length");
    for (std::size_t i = kHeader; i-- > 0;) {
      announced = announced << 8 | static_cast<unsigned char>(chunk[i]);
    }
    if (announced > kMax) {
      return refuse(-E2BIG, "blob '" + name_ + "': a value of " + std::to_string(announced) +
                                " bytes came, and " + std::to_string(kMax) + " are the most");
    }
    forget(came_);
    came_.emplace();
    missing_ = announced;
    chunk += kHeader;
    length -= kHeader;
  }
  if (length > missing_) return refuse(-EPROTO, "blob '" + name_ + "': more came than announced");
  std::string& came = came_ ? *came_ : came_.emplace();
  came.append(chunk, length);
  missing_ -= length;
  return 0;
}

// A donor that does not have it gives none, and there is nothing to load.
int Blob::finish() {
  if (missing_ > 0) return refuse(-EPROTO, "blob '" + name_ + "' did not come whole");
  if (!came_) return 0;
  const int result = load_(user_, came_->data(), came_->size());
  forget(came_);
  return result;
}

void Blob::reset() {
  forget(came_);
  missing_ = 0;
}

}  // namespace handoff::io
