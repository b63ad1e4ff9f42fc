// What lies where in a vault: the memory from which a service's sessions go on after its death.
//
// The memory is a sparse memfd. A header says whose it is; then each lane has a span of its own:
//
//   control     the epoch, what is being read and by whom, the sessions that ended last
//   staging     input as recv(2) put it there, of this turn of the loop alone
//   entries     one for each session, with two slots
//   blocks      what does not fit a slot: states, and chains of input and output
//
// A commit writes the older slot of each session that has changed, and then the lane's epoch, one
// store. Of a slot above the epoch nobody hears. A slot is written in this order: its epoch becomes
// kTorn, then its content, then its epoch. The memory outlives the process only, not the machine:
// stores become visible in the order of the program, so a compiler's fence is all that is needed.
//
// Writer: vault/writer.h. Reader: vault/reader.h, which trusts nothing of this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace handoff::vault {

inline constexpr std::uint64_t kMagic = 0x746c'7561'7648'4f01;  // a layout that changes has another
inline constexpr std::size_t kMaxKinds = 256;                   // protocol::kMaxKinds
inline constexpr std::size_t kMaxLanes = 64;                    // core::kMaxLanes
inline constexpr std::size_t kNameSize = 72;                    // 64 bytes, and a NUL

// Where spans begin. Nothing of a span is there before it is used.
inline constexpr std::uint64_t kLaneSpan = std::uint64_t{1} << 34;
inline constexpr std::uint64_t kHeaderSpan = std::uint64_t{1} << 20;
constexpr std::uint64_t lane_at(std::uint64_t lane) { return kHeaderSpan + lane * kLaneSpan; }
inline constexpr std::uint64_t kMemorySize = lane_at(kMaxLanes);

struct KindRecord {
  char name[kNameSize];
  std::uint32_t version;
  std::uint32_t flags;  // kOfListener, kStateless
};
inline constexpr std::uint32_t kOfListener =
    1;  // the name is a listener's; see handoff_listener_kind()
inline constexpr std::uint32_t kStateless = 2;

struct Header {
  std::uint64_t magic;
  std::uint64_t checksum;  // of all that follows
  std::uint64_t generation;
  std::uint32_t pid;
  std::uint32_t lanes;
  char service[kNameSize];
  char release[kNameSize];
  std::uint32_t kinds;
  std::uint32_t spare;
  KindRecord kind[kMaxKinds];
};
static_assert(sizeof(Header) < kHeaderSpan / 2);

// Of each lane, beyond the header: the sessions that it had from its start are in its span, so that
// the vault is the one to recover from.
inline constexpr std::uint64_t kCompleteAt = kHeaderSpan / 2;
struct Complete {
  std::uint32_t lane[kMaxLanes];
};

inline constexpr std::size_t kMaxStages = 256;
inline constexpr std::size_t kStaging = std::size_t{1} << 20;
inline constexpr std::size_t kMaxRead = std::size_t{64} << 10;
// Sockets are closed after their session has ended: so long the vault knows that they were one's.
inline constexpr std::size_t kEndedKept = 2048;

// A recv(2) that may have happened: into which place, for which session, and how many bytes had
// been read before it. How many it has read the kernel knows.
struct Stage {
  std::uint64_t position;
  std::uint32_t entry;
  std::uint32_t at;  // in the staging area
  std::uint32_t capacity;
  std::uint32_t spare;
};

struct Control {
  alignas(64) std::uint64_t epoch;        // of the last commit
  alignas(64) std::uint64_t stage_epoch;  // that will have what is staged
  std::uint32_t staged;                   // how many of stage[]
  std::uint32_t current;                  // 1 + the entry whose input is being looked at; 0: none
  std::uint32_t accepting;                // 1 + the kind of a connection that is being accepted
  std::uint32_t entries;                  // how many have ever been used
  std::uint64_t ended_count;
  alignas(64) Stage stage[kMaxStages];
  std::uint64_t ended[kEndedKept];  // cookies of sockets whose sessions have ended
};

inline constexpr std::uint64_t kStagingAt = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kEntriesAt = std::uint64_t{8} << 20;
inline constexpr std::uint32_t kMaxEntries = 1u << 20;
inline constexpr std::uint64_t kBlocksAt = std::uint64_t{1} << 31;
static_assert(sizeof(Control) <= kStagingAt && kStagingAt + kStaging <= kEntriesAt);

// Blocks are named by their number of 128 bytes from kBlocksAt on; 0 is none.
inline constexpr std::uint64_t kBlockUnit = 128;
inline constexpr std::uint32_t kMaxBlocks = (kLaneSpan - kBlocksAt) / kBlockUnit;

// A piece of a chain. In a state's chain, position counts from 0 and sum is always set.
struct Block {
  std::uint32_t next;
  std::uint32_t capacity;  // bytes behind this
  std::uint64_t position;  // in the stream, of its first byte
  std::uint64_t sum;       // XXH64 of all of them, once it is full
};

// Bytes of a state, of unconsumed input or of unsent output.
struct Part {
  std::uint64_t sum;  // XXH64 of the last block of a chain, as far as it is used
  std::uint32_t size;
  std::uint32_t
      block;  // the first one; 0: the bytes are within the slot, behind those of the part before
};

inline constexpr std::uint64_t kTorn = ~std::uint64_t{0};
inline constexpr std::size_t kInline = 120;
struct Slot {
  std::uint64_t epoch;       // 0: never written
  std::uint64_t checksum;    // XXH3 of what follows
  std::uint64_t input_from;  // positions, counted since the process has the session
  std::uint64_t output_from;
  Part state, input, output;
  std::uint32_t flags;  // of the layer between service and library
  std::uint32_t why;    // Why it can't be kept, as of this epoch; kNone: it can
  char bytes[kInline];
};
static_assert(sizeof(Slot) == 208);
// The bytes that the checksum is of begin here.
inline constexpr std::size_t kSummed = offsetof(Slot, input_from);

inline constexpr std::uint32_t kAccepted = 1;  // on one of the service's listeners
inline constexpr std::uint32_t kBased = 2;     // the base positions are set
inline constexpr std::uint32_t kLocal = 4;     // a Unix socket: the kernel counts nothing
enum class Why : std::uint32_t {
  kNone,
  kFds,
  kNoSocket,
  kLayer,
  kTooLarge,
  kSave,
  kStays,
  kUnplaced
};

struct Entry {
  std::uint32_t used;  // 0: none
  std::uint32_t kind;
  std::uint64_t id;
  std::uint64_t cookie;  // SO_COOKIE
  std::int32_t fd;
  std::uint32_t flags;
  // What the kernel had counted at position 0.
  std::uint64_t consumed_base;
  std::uint64_t written_base;
  std::uint64_t ended;  // the epoch with which it has ended; 0: it has not
  std::uint64_t spares[5];
  Slot slot[2];
};
static_assert(sizeof(Entry) == 512);

// Stores that must be seen in the order in which they are written.
template <class T>
void store(T& where, T value) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  __atomic_store_n(&where, value, __ATOMIC_RELAXED);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace handoff::vault
