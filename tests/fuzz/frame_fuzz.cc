// A message of the channel as it may come: how many fds came with it, and the bytes of the frame.
// 255 fds can't come, so that number stands for a frame with as many fds and bytes as it announces:
// if the fuzzer had to guess those, it would reach few bodies.
#include <vector>

#include "check.h"
#include "differential.h"
#include "libhandoff/protocol/frame.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  handoff::fuzz::be_quiet();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace handoff;
  if (size == 0 || size > 1 + protocol::kMaxFrame) return -1;
  std::size_t fds = data[0];
  // A copy of exactly that size, so that a sanitizer sees a read beyond its end.
  std::vector<char> bytes(data + 1, data + size);
  if (fds == 255 && bytes.size() >= protocol::kHeaderSize) {
    fds = static_cast<unsigned char>(bytes[4]);
    const std::size_t body = bytes.size() - protocol::kHeaderSize;
    for (std::size_t i = 0; i < 4; ++i) bytes[8 + i] = static_cast<char>(body >> (8 * i));
  }
  const std::string_view frame(bytes.data(), bytes.size());
  const auto header = protocol::decode_header(frame, fds);
  if (!header) {
    CHECK_THAT(!header.error().message.empty(), "refused, and does not say why");
    return 0;
  }
  CHECK_THAT(header->fds == fds && header->fds <= protocol::kMaxFds, "");
  CHECK_THAT(header->body == frame.size() - protocol::kHeaderSize, "");
  const auto again = protocol::encode_header(*header);
  CHECK_THAT(frame.starts_with(
                 std::string_view(reinterpret_cast<const char*>(again.data()), again.size())),
             "the header is written otherwise than it was read");
  fuzz::compare_readers(header->type, frame.substr(protocol::kHeaderSize));
  return 0;
}
