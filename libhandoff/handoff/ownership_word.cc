#include "libhandoff/handoff/ownership_word.h"

#include <atomic>
#include <utility>

namespace handoff::io {
namespace {

constexpr std::size_t kSize = 4096;

using Word = std::atomic_ref<std::uint32_t>;
// One that takes a lock has it in this process alone.
static_assert(Word::is_always_lock_free);

}  // namespace

Result<OwnershipWord> OwnershipWord::make() {
  auto memory = make_ring(kSize);
  if (!memory) return Failure(memory.error());
  OwnershipWord word;
  word.fd_ = std::move(memory->fd);
  word.mapping_ = std::move(memory->mapping);
  return word;
}

Result<OwnershipWord> OwnershipWord::map(int fd) {
  auto mapping = map_shared(fd, kSize);
  if (!mapping) return Failure(mapping.error());
  OwnershipWord word;
  word.mapping_ = std::move(*mapping);
  return word;
}

bool OwnershipWord::claim(Party party) {
  auto owner = std::uint32_t{0};
  const auto mine = static_cast<std::uint32_t>(party);
  Word word(*reinterpret_cast<std::uint32_t*>(mapping_.data()));
  return word.compare_exchange_strong(owner, mine) || owner == mine;
}

}  // namespace handoff::io
