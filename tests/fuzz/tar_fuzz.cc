// A bundle as a file: what handoff-unpack makes of bytes that nobody vouches for. Nothing comes out
// but plain files, folders and links within the folder, no more than the limits allow, and of a
// broken archive an error. The first byte says how the others are compressed.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "check.h"
#include "libhandoff/base/unique_fd.h"
#include "scratch.h"
#include "supervisor/unpack/unpack.h"

namespace {

using namespace handoff;
namespace fs = std::filesystem;

constexpr supervisor::UnpackLimits kLimits{.bytes = 64 * 1024, .entries = 64, .path = 200};

// A file lies beside the folder, to be found by what leads out.
class Place {
 public:
  Place() { fuzz::write_file(scratch_ / "beside", ""); }
  std::string fresh() const {
    fs::remove_all(scratch_ / "into");
    fs::create_directory(scratch_ / "into");
    return scratch_ / "into";
  }
  void check_outside() const {
    std::size_t entries = 0;
    for (const auto& entry : fs::directory_iterator(scratch_.path())) {
      ++entries;
      const std::string name = entry.path().filename();
      CHECK_THAT(name == "into" || (name == "beside" && fs::file_size(entry) == 0), name);
    }
    CHECK_THAT(entries == 2, "what lay beside the folder is gone");
  }

 private:
  fuzz::Scratch scratch_;
};

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  CHECK_THAT(::deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK,
             "deflate");
  std::string out(::deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK_THAT(::deflate(&stream, Z_FINISH) == Z_STREAM_END, "deflate");
  out.resize(stream.total_out);
  (void)::deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 1);
  CHECK_THAT(ZSTD_isError(size) == 0, "zstd");
  out.resize(size);
  return out;
}

UniqueFd file_of(std::string_view bytes) {
  UniqueFd file(::memfd_create("bundle", MFD_CLOEXEC));
  CHECK_THAT(::write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
             "memfd");
  return file;
}

void check_tree(const std::string& into) {
  std::uintmax_t bytes = 0;
  std::size_t entries = 0;
  for (const auto& entry : fs::recursive_directory_iterator(into)) {
    struct stat info {};
    CHECK_THAT(::lstat(entry.path().c_str(), &info) == 0, entry.path());
    const auto mode = info.st_mode & 07777;
    ++entries;
    if (S_ISLNK(info.st_mode)) {
      const std::string leads = fs::canonical(entry.path());
      CHECK_THAT(leads == into || leads.starts_with(into + "/"), leads);
      continue;
    }
    CHECK_THAT(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode), entry.path());
    CHECK_THAT(mode == 0755 || (mode == 0644 && S_ISREG(info.st_mode)), entry.path());
    if (S_ISREG(info.st_mode)) bytes += static_cast<std::uintmax_t>(info.st_size) / info.st_nlink;
  }
  CHECK_THAT(entries <= kLimits.entries, std::to_string(entries));
  CHECK_THAT(bytes <= kLimits.bytes, std::to_string(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Place place;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string into = place.fresh();
  const UniqueFd archive = file_of(data[0] % 3 == 1   ? gzip(bytes)
                                   : data[0] % 3 == 2 ? zstd(bytes)
                                                      : std::string(bytes));
  const UniqueFd folder(::open(into.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto done = supervisor::unpack(archive.get(), folder.get(), kLimits);
  place.check_outside();
  if (done) {
    check_tree(into);
  } else {
    CHECK_THAT(done.error().code < 0 && !done.error().message.empty(), "refused, and not why");
  }
  return 0;
}
