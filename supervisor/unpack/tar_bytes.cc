// The happy path: read a chunk of the file, decode all of it, read the next one. The failures: a
// file that ends within a part (a gzip member, a zstd frame), and whatever zlib and libzstd find
// wrong. They compare the checksum where a part ends, so a reader has to come to the end of the
// file before it believes anything. A zstd frame may have no checksum, just as a plain tar has none
// of its contents.
#include "supervisor/unpack/tar_bytes.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "supervisor/unpack/magic.h"

namespace handoff::supervisor {
namespace {

constexpr std::size_t kChunk = 64 * 1024;

class Plain : public TarBytes {
 public:
  explicit Plain(int fd) : TarBytes(fd) {}

 private:
  Result<std::size_t> decode(std::span<const char>& from, std::span<char> into) override {
    const std::size_t size = std::min(from.size(), into.size());
    std::copy_n(from.begin(), size, into.begin());
    from = from.subspan(size);
    return size;
  }
};

class Gzip : public TarBytes {
 public:
  explicit Gzip(int fd) : TarBytes(fd) {
    constexpr int kWithItsHeader = 16 + MAX_WBITS;
    ready_ = ::inflateInit2(&stream_, kWithItsHeader) == Z_OK;
  }
  ~Gzip() override { (void)::inflateEnd(&stream_); }

 private:
  Result<std::size_t> decode(std::span<const char>& from, std::span<char> into) override {
    if (!ready_ || (may_end_ && ::inflateReset(&stream_) != Z_OK)) return fail(-ENOMEM, "zlib");
    // zlib does not write to its input.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(into.data());
    stream_.avail_out = static_cast<uInt>(into.size());
    const int result = ::inflate(&stream_, Z_NO_FLUSH);
    from = from.subspan(from.size() - stream_.avail_in);
    // Z_BUF_ERROR: there was nothing more to decode.
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return fail(-EBADMSG, stream_.msg != nullptr ? stream_.msg : "gzip can't decode it");
    }
    may_end_ = result == Z_STREAM_END;
    return into.size() - stream_.avail_out;
  }

  z_stream stream_{};
  bool ready_ = false;
};

class Zstd : public TarBytes {
 public:
  explicit Zstd(int fd) : TarBytes(fd), stream_(ZSTD_createDStream()) {}

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { (void)ZSTD_freeDStream(stream); }
  };

  Result<std::size_t> decode(std::span<const char>& from, std::span<char> into) override {
    if (!stream_) return fail(-ENOMEM, "libzstd");
    ZSTD_inBuffer in{from.data(), from.size(), 0};
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    const std::size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
    if (ZSTD_isError(result) != 0) return fail(-EBADMSG, ZSTD_getErrorName(result));
    from = from.subspan(in.pos);
    may_end_ = result == 0;
    return out.pos;
  }

  std::unique_ptr<ZSTD_DStream, Free> stream_;
};

}  // namespace

TarBytes::TarBytes(int fd) : fd_(fd), read_(kChunk), decoded_(kChunk) {}

Result<std::unique_ptr<TarBytes>> TarBytes::open(int fd) {
  std::array<char, 4> start{};
  const ssize_t n = ::pread(fd, start.data(), start.size(), 0);
  if (n < 0 || ::lseek(fd, 0, SEEK_SET) < 0) return fail_errno("the bundle");
  const std::string_view bytes(start.data(), static_cast<std::size_t>(n));
  if (bytes.starts_with(kGzipMagic)) return std::make_unique<Gzip>(fd);
  if (bytes.starts_with(kZstdMagic)) return std::make_unique<Zstd>(fd);
  return std::make_unique<Plain>(fd);
}

Result<std::span<const char>> TarBytes::next() {
  for (;;) {
    if (left_.empty() && (!full_ || may_end_)) {
      const auto more = refill();
      if (!more) return Failure(more.error());
      if (!*more && !may_end_) return fail(-EBADMSG, "it is cut off");
      if (!*more) return std::span<const char>();
    }
    const auto made = decode(left_, decoded_);
    if (!made) return Failure(made.error());
    full_ = *made == decoded_.size();
    if (*made == 0) continue;
    const std::span<const char> out(decoded_.data(), *made);
    const auto used =
        std::find_if(out.rbegin(), out.rend(), [](char byte) { return byte != '\0'; });
    if (used != out.rend()) used_ = size_ + static_cast<std::uint64_t>(out.rend() - used);
    size_ += out.size();
    return out;
  }
}

// false at the end of the file.
Result<bool> TarBytes::refill() {
  ssize_t n = 0;
  do {
    n = ::read(fd_, read_.data(), read_.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("reading it");
  left_ = std::span<const char>(read_.data(), static_cast<std::size_t>(n));
  return n > 0;
}

}  // namespace handoff::supervisor
