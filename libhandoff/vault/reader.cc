#include "libhandoff/vault/reader.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "handoff/handoff.h"

namespace handoff::vault {
namespace {

constexpr std::size_t kMaxState = std::size_t{4} << 30;  // protocol::kMaxSessionBytes

std::string name_in(const char (&text)[kNameSize]) { return {text, ::strnlen(text, kNameSize)}; }

Failure damaged(const char* what) {
  return fail(HANDOFF_ERR_PROTOCOL, std::string("its record in the vault is damaged: ") + what);
}

}  // namespace

Result<About> read_about(std::span<const std::byte> header) {
  const auto no_vault = [](const char* why) {
    return fail(HANDOFF_ERR_PROTOCOL, std::string("this memory is no vault: ") + why);
  };
  if (header.size() < kHeaderSpan) return no_vault("it is too short");
  Header h{};
  std::memcpy(&h, header.data(), sizeof h);
  if (h.magic == 0) return no_vault("nothing was written to it");
  if (h.magic != kMagic) return no_vault("it is of another release of libhandoff");
  constexpr std::size_t kFrom = offsetof(Header, generation);
  if (h.checksum != XXH3_64bits(reinterpret_cast<const char*>(&h) + kFrom, sizeof h - kFrom)) {
    return no_vault("its header is damaged");
  }
  if (h.lanes == 0 || h.lanes > kMaxLanes) return no_vault("it has no lanes");
  if (h.kinds == 0 || h.kinds > kMaxKinds) return no_vault("it has no kinds of sessions");
  About out{.service = name_in(h.service),
            .release = name_in(h.release),
            .generation = h.generation,
            .pid = h.pid,
            .lanes = h.lanes,
            .kinds = {},
            .complete = true};
  for (std::size_t i = 0; i < h.kinds; ++i) {
    const KindRecord& kind = h.kind[i];
    out.kinds.push_back({name_in(kind.name), kind.version, (kind.flags & kOfListener) != 0,
                         (kind.flags & kStateless) != 0});
  }
  Complete complete{};
  std::memcpy(&complete, header.data() + kCompleteAt, sizeof complete);
  for (std::size_t i = 0; i < h.lanes; ++i) out.complete = out.complete && complete.lane[i] == 1;
  return out;
}

template <class T>
bool Reader::copy(std::uint64_t at, T& out) const {
  if (at > lane_.size() || lane_.size() - at < sizeof out) return false;
  std::memcpy(&out, lane_.data() + at, sizeof out);
  return true;
}

Reader::Reader(std::span<const std::byte> lane) : lane_(lane) {
  Control control{};
  if (!copy(0, control)) {
    problem_ = "the lane is too short";
    return;
  }
  if (control.entries > kMaxEntries || control.staged > kMaxStages) {
    problem_ = "the lane's control block is damaged";
    return;
  }
  epoch_ = control.epoch;
  accepting_ = control.accepting;
  if (control.stage_epoch == epoch_ + 1) {
    stages_.assign(control.stage, control.stage + control.staged);
  }
  for (std::size_t i = 0; i < std::min<std::uint64_t>(control.ended_count, kEndedKept); ++i) {
    ended_.insert(control.ended[i]);
  }
  for (std::uint32_t i = 0; i < control.entries; ++i) {
    Entry e{};
    if (!copy(kEntriesAt + std::uint64_t{i} * sizeof e, e)) {
      problem_ = "the lane ends before its entries do";
      return;
    }
    if (e.used != 1) continue;
    const auto committed = [&](const Slot& s) { return s.epoch != 0 && s.epoch <= epoch_; };
    const bool known = committed(e.slot[0]) || committed(e.slot[1]);
    const bool ended = e.ended != 0 && e.ended <= epoch_;
    const bool fresh = !known && (e.flags & kAccepted) != 0;
    // One that the process has opened itself, in a turn that nobody has heard of, never was.
    if (ended || (!known && !fresh)) {
      ended_.insert(e.cookie);
      continue;
    }
    if (control.current == i + 1) current_ = e.id;
    sessions_.push_back({.entry = i,
                         .id = e.id,
                         .kind = e.kind,
                         .fd = e.fd,
                         .cookie = e.cookie,
                         .fresh = fresh,
                         .local = (e.flags & kLocal) != 0});
  }
}

Result<void> Reader::choose(const Listed& session, Entry& entry, Slot& slot) const {
  if (!copy(kEntriesAt + std::uint64_t{session.entry} * sizeof entry, entry) || entry.used != 1 ||
      entry.id != session.id) {
    return damaged("it has changed");
  }
  if (session.fresh) {
    slot = {};
    return {};
  }
  const Slot* newest = nullptr;
  for (const Slot& s : entry.slot) {
    if (s.epoch == 0 || s.epoch > epoch_) continue;
    if (newest == nullptr || s.epoch > newest->epoch) newest = &s;
  }
  if (newest == nullptr) return damaged("it has no slot");
  slot = *newest;
  if (std::uint64_t{slot.state.size} > kMaxState) return damaged("its state is too large");
  std::size_t used = 0;
  for (const Part* part : {&slot.state, &slot.input, &slot.output}) {
    if (part->block != 0) continue;
    if (part->size > kInline - used) return damaged("it is too long for its slot");
    used += part->size;
  }
  const char* from = reinterpret_cast<const char*>(&slot) + kSummed;
  const std::size_t length = offsetof(Slot, bytes) - kSummed + used;
  if (XXH3_64bits(from, length) != slot.checksum) return damaged("its checksum is wrong");
  return {};
}

Result<std::string> Reader::chain(const Part& part, std::uint64_t from, std::uint64_t skip) const {
  std::string out;
  const std::uint64_t end = from + part.size;
  std::uint64_t at = from + skip;  // the first byte that is wanted
  if (at == end) return out;
  out.reserve(std::min<std::uint64_t>(end - at, std::uint64_t{1} << 20));
  std::uint64_t expected = 0;
  bool first = true;
  for (std::uint32_t number = part.block; at < end;) {
    Block block{};
    if (number == 0 || number >= kMaxBlocks) return damaged("a chain breaks off");
    const std::uint64_t where = kBlocksAt + number * kBlockUnit;
    if (!copy(where, block)) return damaged("a chain leads nowhere");
    if (block.capacity == 0 || block.capacity > lane_.size() - where - sizeof block) {
      return damaged("a block has a wrong size");
    }
    // So a chain in a circle ends here, too.
    const bool in_place = first ? block.position <= from && block.capacity > from - block.position
                                : block.position == expected;
    if (!in_place) return damaged("a block is out of place");
    first = false;
    expected = block.position + block.capacity;
    number = block.next;
    if (expected <= at) continue;  // of what nobody needs any more nothing may be left
    const std::uint64_t used = std::min(expected, end) - block.position;
    const char* bytes = reinterpret_cast<const char*>(lane_.data()) + where + sizeof block;
    const std::size_t before = out.size();
    const std::uint64_t offset = at - block.position;
    // What is checked is the copy, and what lies before it.
    XXH64_state_t sum;
    XXH64_reset(&sum, 0);
    XXH64_update(&sum, bytes, offset);
    out.append(bytes + offset, used - offset);
    XXH64_update(&sum, out.data() + before, used - offset);
    if (XXH64_digest(&sum) != (expected <= end ? block.sum : part.sum)) {
      return damaged("a block's checksum is wrong");
    }
    at = block.position + used;
  }
  return out;
}

Result<std::string> Reader::part_of(const Slot& slot, const Part& part, std::size_t within,
                                    std::uint64_t from, std::uint64_t skip) const {
  if (part.block != 0) return chain(part, from, skip);
  return std::string(slot.bytes + within + skip, part.size - skip);
}

Result<void> Reader::append_staged(const Listed& session, std::uint64_t consumed,
                                   std::uint64_t have, std::string& input) const {
  for (const Stage& stage : stages_) {
    if (stage.entry != session.entry || have == consumed) continue;
    if (stage.position != have || stage.at > kStaging || stage.capacity > kStaging - stage.at) {
      return damaged("what was being read is out of place");
    }
    const std::uint64_t length = std::min<std::uint64_t>(consumed - have, stage.capacity);
    const std::uint64_t at = kStagingAt + stage.at;
    if (at > lane_.size() || lane_.size() - at < length) return damaged("it ends too early");
    input.append(reinterpret_cast<const char*>(lane_.data()) + at, length);
    have += length;
  }
  if (have == consumed) return {};
  return fail(HANDOFF_ERR_PROTOCOL, std::to_string(consumed - have) +
                                        " bytes of its input were read and are not in the vault");
}

Result<Recovered> Reader::recover(const Listed& session, const Position& at) const {
  Entry e{};
  Slot slot{};
  if (auto ok = choose(session, e, slot); !ok) return Failure(ok.error());
  if (const Why why{slot.why}; why != Why::kNone) return fail(HANDOFF_ERR_REJECTED, words_of(why));
  const std::uint64_t read = slot.input_from + slot.input.size;
  std::uint64_t consumed = read;
  std::uint64_t skip = 0;  // of the output
  if ((e.flags & kLocal) != 0) {
    const bool staged = std::any_of(stages_.begin(), stages_.end(), [&](const Stage& stage) {
      return stage.entry == session.entry;
    });
    if (staged || slot.output.size > 0) {
      return fail(HANDOFF_ERR_REJECTED,
                  "the kernel does not say how much of a Unix socket's bytes have passed");
    }
  } else if ((e.flags & kBased) != 0 && !at.connecting) {
    consumed = at.consumed - e.consumed_base;
    if (at.over && consumed == read - 1) consumed = read;
    if (consumed < read) return damaged("more was read than the kernel has given");
    skip = at.over ? slot.output.size : at.written - e.written_base - slot.output_from;
    if (skip > slot.output.size) {
      return fail(HANDOFF_ERR_PROTOCOL, "the kernel has had output that is not in the vault");
    }
  }
  Recovered out;
  out.flags = slot.flags;
  std::size_t within = 0;
  const auto take = [&](const Part& from, std::uint64_t position, std::uint64_t cut,
                        std::string& to) -> Result<void> {
    auto bytes = part_of(slot, from, within, position, cut);
    if (!bytes) return Failure(bytes.error());
    to = std::move(*bytes);
    if (from.block == 0) within += from.size;
    return {};
  };
  Result<void> ok = take(slot.state, 0, 0, out.state);
  if (ok) ok = take(slot.input, slot.input_from, 0, out.input);
  if (ok) ok = take(slot.output, slot.output_from, skip, out.output);
  if (ok) ok = append_staged(session, consumed, read, out.input);
  if (!ok) return Failure(ok.error());
  return out;
}

std::string words_of(Why why) {
  switch (why) {
    case Why::kFds:
      return "it has fds beside its socket, which a vault does not keep";
    case Why::kNoSocket:
      return "it has no stream socket";
    case Why::kLayer:
      return "a layer such as TLS has its bytes, which a vault does not keep";
    case Why::kTooLarge:
      return "its state is too large for a vault";
    case Why::kSave:
      return "its save() has failed";
    case Why::kStays:
      return "its service says that it can't move";
    case Why::kUnplaced:
      return "its save() does not say where its bytes lie in the stream (handoff_save_input_at())";
    case Why::kNone:
      break;
  }
  return "it can't be kept";
}

}  // namespace handoff::vault
