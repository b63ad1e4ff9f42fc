// The vault of a dead process: whatever it has written there, reading it ends, stays within the
// memory, and gives no more than the records announce.
//
// The input changes single bytes of a good vault, and says where the kernel is with each socket.
// Its first byte says whether the checksums are made right again afterwards: nobody would guess
// them.
#define XXH_INLINE_ALL
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xxhash.h>

#include <cstring>
#include <string>
#include <string_view>

#include "check.h"
#include "libhandoff/vault/memory.h"
#include "libhandoff/vault/reader.h"
#include "libhandoff/vault/writer.h"

using namespace handoff::vault;

namespace {

// What a vault of three sessions uses of a lane.
constexpr std::size_t kUsed[][2] = {{0, sizeof(Control)},
                                    {kStagingAt, 4096},
                                    {kEntriesAt, 4 * sizeof(Entry)},
                                    {kBlocksAt + 65536, 5 * 65536}};

int connected() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  auto* const raw = reinterpret_cast<sockaddr*>(&at);
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  CHECK_THAT(::bind(listener, raw, length) == 0 && ::listen(listener, 1) == 0 &&
                 ::getsockname(listener, raw, &length) == 0 &&
                 ::connect(client, raw, length) == 0 && ::send(client, "0123456789", 10, 0) == 10,
             "no connection");
  return ::accept(listener, nullptr, nullptr);
}

// The memory, and how it was made.
struct Vault {
  Vault() : memory(std::move(*make_memory())) {
    auto writer =
        std::move(*Writer::make(std::move(*Span::map(memory.get(), lane_at(0), kLaneSpan, true))));
    const std::string large(3000, 'x');
    for (const std::uint64_t id : {1U, 2U, 3U}) writer->open(id, 0, connected(), true);
    writer->put(1, {.state = "small", .input = {0, 2, "in"}, .output = {0, 3, "out"}});
    writer->put(2, {.state = large, .input = {0, 3000, large}, .output = {0, 3000, large}});
    writer->commit();
    writer->put(2, {.state = large, .input = {10, 5990, large}, .output = {10, 2990, large}});
    const char* data = nullptr;
    while (writer->receive(1, 2, &data) != 10) {
    }
    lane = std::move(*Span::map(memory.get(), lane_at(0), kLaneSpan, true));
    for (const auto& [at, size] : kUsed) good.append(lane.data() + at, size);
  }
  void restore() const {
    const char* from = good.data();
    for (const auto& [at, size] : kUsed) {
      std::memcpy(lane.data() + at, from, size);
      from += size;
    }
  }
  handoff::UniqueFd memory;
  Span lane;
  std::string good;
};

void mend(char* lane) {
  for (std::size_t i = 0; i < 4; ++i) {
    auto& entry = *reinterpret_cast<Entry*>(lane + kEntriesAt + i * sizeof(Entry));
    for (Slot& slot : entry.slot) {
      std::size_t used = 0;
      for (const Part* part : {&slot.state, &slot.input, &slot.output}) {
        if (part->block == 0) used += part->size;
      }
      if (used > kInline) continue;
      slot.checksum = XXH3_64bits(reinterpret_cast<const char*>(&slot) + kSummed,
                                  offsetof(Slot, bytes) - kSummed + used);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Vault vault;
  if (size < 3) return 0;
  vault.restore();
  const bool mended = (data[0] & 1) != 0;
  const Position at{.consumed = data[1], .written = data[2], .over = (data[0] & 2) != 0};
  // Where, in which of the used parts, and what.
  for (std::size_t i = 3; i + 4 <= size; i += 4) {
    const auto& part = kUsed[data[i] % 4];
    const std::size_t offset = (std::size_t{data[i + 1]} << 8 | data[i + 2]) % part[1];
    vault.lane.data()[part[0] + offset] = static_cast<char>(data[i + 3]);
  }
  if (mended) mend(vault.lane.data());
  const Reader reader(vault.lane.bytes());
  for (const Listed& session : reader.sessions()) {
    const auto got = reader.recover(session, at);
    if (!got) {
      CHECK_THAT(!got.error().message.empty(), "an error without words");
      continue;
    }
    CHECK_THAT(got->output.size() <= kLaneSpan && got->input.size() <= kLaneSpan, "too much");
  }
  return 0;
}
