// The tar within a bundle, byte for byte: as it lies in the file, or decompressed. What a
// compressed bundle says of its contents, the CRC of gzip or the checksum of zstd, is compared;
// libarchive's own filters pass over the one, and never reach the other.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "libhandoff/base/result.h"

namespace handoff::supervisor {

class TarBytes {
 public:
  // Of the file from its beginning, which is read to its end; fd is borrowed.
  static Result<std::unique_ptr<TarBytes>> open(int fd);
  virtual ~TarBytes() = default;
  TarBytes(const TarBytes&) = delete;
  TarBytes& operator=(const TarBytes&) = delete;

  // The next of them, valid until the next call; none at the end. The error says in which way the
  // file is broken.
  Result<std::span<const char>> next();

  // How many there were so far, and how many up to the last that is no zero.
  std::uint64_t size() const { return size_; }
  std::uint64_t used() const { return used_; }

 protected:
  explicit TarBytes(int fd);

  // Takes some from the front of `from` and puts what that means at the beginning of `into`.
  // Returns how many those are.
  virtual Result<std::size_t> decode(std::span<const char>& from, std::span<char> into) = 0;
  bool may_end_ = true;  // here the file may end: no part of it is open

 private:
  Result<bool> refill();

  int fd_;
  std::vector<char> read_;
  std::vector<char> decoded_;
  std::span<const char> left_;  // of read_
  bool full_ = false;           // there may be more to decode of what was taken
  std::uint64_t size_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace handoff::supervisor
