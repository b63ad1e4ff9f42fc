#include "libhandoff/vault/writer.h"

#define XXH_INLINE_ALL
#include <sys/socket.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "libhandoff/vault/kernel.h"

namespace handoff::vault {
namespace {

constexpr std::uint64_t kEntriesAtOnce = 128 * sizeof(Entry);
constexpr std::uint64_t kStagingAtOnce = std::uint64_t{128} << 10;
constexpr std::size_t kLargestPart = std::size_t{1} << 30;
constexpr std::uint32_t kLine = 64;

}  // namespace

Result<std::unique_ptr<Writer>> Writer::make(Span lane) {
  const int error = lane.allocate(0, kStagingAt);
  if (error != 0) return Failure(Error::from_errno(error, "memory for a vault"));
  std::unique_ptr<Writer> out(new Writer(std::move(lane)));
  if (!out->back_staging(kStagingAtOnce)) return fail(-ENOMEM, out->broken_);
  store(out->control().epoch, std::uint64_t{1});
  return out;
}

std::uint64_t Writer::allocated() const {
  return kStagingAt + staging_backed_ + entries_backed_ + blocks_.allocated();
}

void Writer::break_off(const char* why) {
  if (broken_ == nullptr) broken_ = why;
}

bool Writer::back_staging(std::uint64_t end) {
  if (end <= staging_backed_) return true;
  const std::uint64_t more = (end - staging_backed_ + kStagingAtOnce - 1) / kStagingAtOnce;
  if (lane_.allocate(kStagingAt + staging_backed_, more * kStagingAtOnce) != 0) {
    break_off("there is no memory for what is received");
    return false;
  }
  staging_backed_ += more * kStagingAtOnce;
  return true;
}

Writer::Held* Writer::find(std::uint64_t id) {
  if (last_ != nullptr && last_->id == id) return last_;
  const auto it = held_.find(id);
  if (it == held_.end()) return nullptr;
  last_ = &it->second;
  return last_;
}

bool Writer::new_entry(std::uint32_t& number) {
  if (!free_entries_.empty()) {
    number = free_entries_.back();
    free_entries_.pop_back();
    return true;
  }
  number = control().entries;
  const std::uint64_t end = (std::uint64_t{number} + 1) * sizeof(Entry);
  if (number == kMaxEntries) {
    break_off("there is no room for more sessions");
    return false;
  }
  if (end > entries_backed_) {
    if (lane_.allocate(kEntriesAt + entries_backed_, kEntriesAtOnce) != 0) {
      break_off("there is no memory for another session");
      return false;
    }
    entries_backed_ += kEntriesAtOnce;
    // To let go of an entry must not fail.
    free_entries_.reserve(entries_backed_ / sizeof(Entry));
  }
  return true;
}

// nullptr if it is there, or if there is no memory.
Writer::Held* Writer::hold(std::uint64_t id, int fd) {
  if (broken_ != nullptr || knows(id)) return nullptr;
  try {
    std::uint32_t number = 0;
    if (!new_entry(number)) return nullptr;
    Held held{.id = id, .entry = number, .fd = fd, .input = {}, .output = {}};
    last_ = &held_.try_emplace(id, std::move(held)).first->second;
    return last_;
  } catch (const std::bad_alloc&) {
    break_off("there is no memory for another session");
    return nullptr;
  }
}

void Writer::open(std::uint64_t id, std::uint32_t kind, int fd, bool accepted) {
  Held* const held = hold(id, fd);
  if (held == nullptr) return;
  const std::uint32_t number = held->entry;
  Entry& e = entry(number);
  std::memset(&e, 0, offsetof(Entry, slot));
  e.slot[0].epoch = e.slot[1].epoch = 0;
  e.kind = kind;
  e.id = id;
  e.fd = fd;
  e.flags = accepted ? kAccepted : 0;
  const auto cookie = cookie_of(fd);
  e.cookie = cookie.value_or(0);
  if (const auto at = accepted && cookie ? position_at_start(fd) : std::nullopt) {
    e.consumed_base = at->consumed;
    e.written_base = at->written;
    e.flags |= kBased;
  } else if (const Transport transport = transport_of(fd); transport == Transport::kUnixStream) {
    e.flags |= kLocal;
  } else if (transport == Transport::kNeither) {
    held->no_socket = true;
  }
  store(e.used, 1u);
  if (number == control().entries) store(control().entries, number + 1);
  if (accepted) accepting(0);
}

// Positions of the session for what the kernel has counted up to now.
void Writer::base(Held& held, std::uint64_t read, std::uint64_t written) {
  Entry& e = entry(held.entry);
  const auto at = position_at(e.fd);
  if (!at || at->connecting) return;
  e.consumed_base = at->consumed - read;
  e.written_base = at->written - written;
  store(e.flags, e.flags | kBased);
}

std::span<char> Writer::stage(Held& held, std::uint64_t position) {
  Control& c = control();
  if (c.stage_epoch != c.epoch + 1) {
    store(c.staged, 0u);
    store(c.stage_epoch, c.epoch + 1);
    staged_to_ = 0;
  }
  const std::uint64_t end = std::uint64_t{staged_to_} + kMaxRead;
  if (c.staged == kMaxStages || end > kStaging || !back_staging(end)) return {};
  const Entry& e = entry(held.entry);
  // Nothing is sent before it was put: of one that never was the output begins at 0.
  const Slot& newest = newest_slot(e);
  if (!is_counted(held) && (newest.epoch == 0 || Why{newest.why} == Why::kNone)) {
    base(held, position, newest.epoch == 0 ? 0 : newest.output_from);
  }
  Stage& stage = c.stage[c.staged];
  stage.position = position;
  stage.entry = held.entry;
  stage.at = staged_to_;
  stage.capacity = kMaxRead;
  store(c.staged, c.staged + 1);
  store(c.current, held.entry + 1);
  return {lane_.data() + kStagingAt + staged_to_, kMaxRead};
}

ssize_t Writer::receive(std::uint64_t id, std::uint64_t position, const char** data) {
  Held* const held = broken_ == nullptr ? find(id) : nullptr;
  if (held == nullptr) return -ENOENT;
  const std::span<char> room = stage(*held, position);
  if (room.empty()) return broken_ == nullptr ? -ENOBUFS : -ENOENT;
  const ssize_t n = ::recv(held->fd, room.data(), room.size(), MSG_DONTWAIT);
  if (n < 0) return -errno;
  *data = room.data();
  staged_to_ +=
      static_cast<std::uint32_t>((static_cast<std::size_t>(n) + kLine - 1) / kLine * kLine);
  return n;
}

Writer::Has Writer::has_input(std::uint64_t id) {
  const Held* const held = find(id);
  return held == nullptr ? Has{} : Has{held->input.from(), held->input.end()};
}

Writer::Has Writer::has_output(std::uint64_t id) {
  const Held* const held = find(id);
  return held == nullptr ? Has{} : Has{held->output.from(), held->output.end()};
}

Writer::Newest Writer::newest(std::uint64_t id) {
  const Held* const held = find(id);
  if (held == nullptr) return {};
  const Slot& s = newest_slot(entry(held->entry));
  if (s.epoch == 0) return {};
  std::size_t within = s.state.block == 0 ? s.state.size : 0;
  const auto stretch = [&](const Part& part, std::uint64_t from) {
    Stretch out{.from = from, .size = part.size, .tail = {}};
    if (part.block != 0) return out;
    out.tail = {s.bytes + within, part.size};
    within += part.size;
    return out;
  };
  Newest out{.input = stretch(s.input, s.input_from), .output = {}, .why = Why{s.why}};
  out.output = stretch(s.output, s.output_from);
  return out;
}

void Writer::take_over() {
  for (const std::uint64_t id : std::exchange(theirs_, {})) {
    Held* const held = find(id);
    if (held == nullptr) continue;
    held->theirs = false;
    const Slot& s = newest_slot(entry(held->entry));
    if (is_counted(*held) || s.output.size == 0) continue;
    base(*held, s.input_from + s.input.size, s.output_from);
  }
}

bool Writer::is_local(std::uint64_t id) {
  const Held* const held = find(id);
  return held != nullptr && (entry(held->entry).flags & kLocal) != 0;
}

void Writer::current(std::uint64_t id) {
  const Held* const held = id == 0 ? nullptr : find(id);
  store(control().current, held == nullptr ? 0 : held->entry + 1);
}

bool Writer::same_state(const Held& held, const Slot& newest, std::string_view state) const {
  if (newest.state.block == 0 || newest.state.size != state.size()) return false;
  const std::size_t slot = &newest == &entry(held.entry).slot[1] ? 1 : 0;
  for (const std::uint32_t number : held.states[held.state_of[slot]]) {
    const std::size_t n = std::min<std::size_t>(state.size(), blocks_.header(number).capacity);
    if (std::memcmp(blocks_.bytes(number), state.data(), n) != 0) return false;
    state.remove_prefix(n);
    if (state.empty()) return true;
  }
  return false;
}

// Writes the state to a chain that no slot needs.
bool Writer::fill(std::vector<std::uint32_t>& chain, std::string_view state, Part& part) {
  std::size_t capacity = 0;
  for (const std::uint32_t number : chain) capacity += blocks_.header(number).capacity;
  if (capacity < state.size() || capacity > state.size() + state.size() / 4 + 2 * kBlockUnit) {
    for (const std::uint32_t number : chain) blocks_.give_back(number);
    chain.clear();
    for (capacity = 0; capacity < state.size();) {
      chain.reserve(chain.size() + 1);
      const std::uint32_t number = blocks_.take(state.size() - capacity);
      if (number == 0) return false;
      if (!chain.empty()) blocks_.header(chain.back()).next = number;
      chain.push_back(number);
      capacity += blocks_.header(number).capacity;
    }
  }
  part.size = static_cast<std::uint32_t>(state.size());
  part.block = chain.front();
  std::uint64_t position = 0;
  for (const std::uint32_t number : chain) {
    Block& block = blocks_.header(number);
    const std::size_t n = std::min<std::size_t>(state.size(), block.capacity);
    block.position = position;
    block.sum = XXH64(state.data(), n, 0);
    part.sum = block.sum;
    std::memcpy(blocks_.bytes(number), state.data(), n);
    state.remove_prefix(n);
    position += n;
    if (state.empty()) break;
  }
  return true;
}

bool Writer::put_state(Held& held, std::size_t slot, std::string_view state, Part& part) {
  const Slot& other = entry(held.entry).slot[1 - slot];
  if (same_state(held, other, state)) {
    held.state_of[slot] = held.state_of[1 - slot];
    part = other.state;
    return true;
  }
  const bool other_has_one = other.epoch != 0 && other.epoch != kTorn && other.state.block != 0;
  held.state_of[slot] =
      other_has_one ? static_cast<std::uint8_t>(1 - held.state_of[1 - slot]) : held.state_of[slot];
  return fill(held.states[held.state_of[slot]], state, part);
}

void Writer::put(std::uint64_t id, const State& state) {
  Held* const held = broken_ == nullptr ? find(id) : nullptr;
  if (held == nullptr) return;
  changed_ = true;
  Entry& e = entry(held->entry);
  const std::uint64_t epoch = control().epoch + 1;
  // One that was put in this turn already is written again.
  const std::size_t older = e.slot[0].epoch == epoch            ? 0
                            : e.slot[1].epoch == epoch          ? 1
                            : e.slot[0].epoch < e.slot[1].epoch ? 0
                                                                : 1;
  if (!is_counted(*held) && state.output.size > 0 && !held->theirs) {
    if (state.theirs) {
      theirs_.push_back(id);
      held->theirs = true;
    } else {
      base(*held, state.input.from + state.input.size, state.output.from);
    }
  }
  Slot& s = e.slot[older];
  store(s.epoch, kTorn);
  const bool fits = state.state.size() <= kLargestPart && state.input.size <= kLargestPart &&
                    state.output.size <= kLargestPart;
  const Why why = held->no_socket ? Why::kNoSocket : fits ? state.why : Why::kTooLarge;
  s.why = static_cast<std::uint32_t>(why);
  s.state = s.input = s.output = {};
  s.input_from = state.input.from;
  s.output_from = state.output.from;
  s.flags = state.flags;
  std::size_t used = 0;
  const auto within = [&](std::string_view bytes, Part& part) {
    part.size = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(s.bytes + used, bytes.data(), bytes.size());
    used += bytes.size();
  };
  bool ok = true;
  const auto put_part = [&](const Stretch& stretch, Chain& chain, Part& part) {
    if (stretch.tail.size() < stretch.size || stretch.size > kInline - used) {
      ok = ok && chain.set(blocks_, stretch.from, stretch.size, stretch.tail, free_after_, part);
      return;
    }
    chain.clear(free_after_);
    if (stretch.size > 0) within(stretch.tail, part);
  };
  if (state.anew) {
    held->input.clear(free_after_);
    held->output.clear(free_after_);
  }
  if (why == Why::kNone) {
    if (state.state.size() > kInline) {
      ok = put_state(*held, older, state.state, s.state);
    } else if (!state.state.empty()) {
      within(state.state, s.state);
    }
    put_part(state.input, held->input, s.input);
    put_part(state.output, held->output, s.output);
  } else {
    held->input.clear(free_after_);
    held->output.clear(free_after_);
  }
  if (!ok) return break_off("there is no memory for what is to be kept");
  s.checksum = XXH3_64bits(reinterpret_cast<const char*>(&s) + kSummed,
                           offsetof(Slot, bytes) - kSummed + used);
  store(s.epoch, epoch);
}

void Writer::close(std::uint64_t id) {
  Held* const held = broken_ == nullptr ? find(id) : nullptr;
  if (held == nullptr || entry(held->entry).ended != 0) return;
  try {
    closed_.push_back(id);
  } catch (const std::bad_alloc&) {
    return break_off("there is no memory to end a session");
  }
  store(entry(held->entry).ended, control().epoch + 1);
  changed_ = true;
}

void Writer::commit() {
  Control& c = control();
  if (c.current != 0) store(c.current, 0u);
  if (!changed_ || broken_ != nullptr) {
    // What was staged was nothing.
    store(c.staged, 0u);
    staged_to_ = 0;
    return;
  }
  changed_ = false;
  store(c.epoch, c.epoch + 1);
  for (const std::uint64_t id : closed_) {
    const auto it = held_.find(id);
    Held& held = it->second;
    Entry& e = entry(held.entry);
    c.ended[c.ended_count % kEndedKept] = e.cookie;
    store(c.ended_count, c.ended_count + 1);
    store(e.used, 0u);
    held.input.clear(free_after_);
    held.output.clear(free_after_);
    for (const auto& chain : held.states) {
      free_after_.insert(free_after_.end(), chain.begin(), chain.end());
    }
    free_entries_.push_back(held.entry);
    last_ = nullptr;
    held_.erase(it);
  }
  closed_.clear();
  for (const std::uint32_t number : free_after_) blocks_.give_back(number);
  free_after_.clear();
}

}  // namespace handoff::vault
