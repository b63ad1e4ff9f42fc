#include "libhandoff-tls/core/unread.h"

namespace handoff::tls {

void Unread::before(const Direction& reading) {
  if (!empty()) return;
  first_.sequence = reading.sequence;
  first_.generation = reading.generation;
  first_.secret = reading.secret;
  first_.iv = reading.iv;
}

void Unread::add(const Suite& suite, std::size_t bytes, std::size_t plain, bool new_key) {
  records_.push_back(
      {static_cast<std::uint16_t>(bytes), static_cast<std::uint16_t>(plain), new_key});
  size_ += bytes;
  drop_finished(suite);
}

void Unread::consume(const Suite& suite, std::size_t plain) {
  consumed_ += plain;
  drop_finished(suite);
}

void Unread::drop_finished(const Suite& suite) {
  while (!empty() && consumed_ >= records_[begin_].plain) {
    const One& one = records_[begin_++];
    consumed_ -= one.plain;
    size_ -= one.bytes;
    done_ += one.bytes;
    ++first_.sequence;
    if (one.new_key) next_secret(suite, first_);
  }
  // Moving is worth it where it halves the list. Little memory is kept for the next records.
  constexpr std::size_t kKept = 64;
  if (begin_ < records_.size() && (begin_ < kKept || begin_ < records_.size() / 2)) return;
  records_.erase(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
  if (records_.empty() && records_.capacity() > kKept) std::vector<One>().swap(records_);
}

}  // namespace handoff::tls
