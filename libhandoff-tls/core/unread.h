// Records that were opened, and whose plaintext was not consumed.
//
// As ciphertext they are the session's input still. What moves is that input, and how the first of
// them is opened: the heir opens them again. So a state has no plaintext, however much waits. To
// open a record twice is safe: sealing is what uses up a nonce.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "libhandoff-tls/core/protection.h"

namespace handoff::tls {

class Unread {
 public:
  bool empty() const { return begin_ == records_.size(); }
  // Their bytes, which stand at the front of the input, behind those that are done().
  std::size_t size() const { return size_; }
  // What opens the first of them, and how much of its plaintext was consumed. Of one that is not
  // empty.
  const Direction& first() const { return first_; }
  std::size_t consumed() const { return consumed_; }
  std::size_t count() const { return records_.size() - begin_; }

  // The next record is about to be opened by this.
  void before(const Direction& reading);
  // The record had so many bytes, header included, and so much plaintext. new_key: a KeyUpdate.
  void add(const Suite& suite, std::size_t bytes, std::size_t plain, bool new_key);
  void consume(const Suite& suite, std::size_t plain);
  // So many bytes of the input, before them, are done with, since they were last taken off.
  std::size_t done() const { return done_; }
  std::size_t take_done() { return std::exchange(done_, 0); }
  void restore_done(std::size_t bytes) { done_ = bytes; }

 private:
  struct One {  // a record is shorter than 64 KiB
    std::uint16_t bytes;
    std::uint16_t plain;
    bool new_key;
  };
  void drop_finished(const Suite& suite);

  std::vector<One> records_;  // from begin_ on
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
  std::size_t consumed_ = 0;
  std::size_t done_ = 0;
  Direction first_;
};

}  // namespace handoff::tls
