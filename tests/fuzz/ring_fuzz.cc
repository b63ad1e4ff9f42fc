// Sessions that lie in the ring of a handoff. An heir makes of them what it makes of the same bytes
// in a frame, to the word of each error; what is not as announced is refused; and no fd is left.
#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"
#include "handoff/handoff.h"
#include "libhandoff/copy/ring_receiver.h"
#include "libhandoff/copy/session_receiver.h"

namespace {

using namespace handoff;
using Fds = std::vector<UniqueFd>;

constexpr std::uint32_t kSlots = 3;
constexpr std::uint32_t kSlotSize = 64 * 1024;

// A service that notes what it is given.
class Heir {
 public:
  explicit Heir(bool updates) : registry_(declared_), receiver_(registry_, nullptr) {
    CHECK_THAT(registry_.declare_kind("game", 2), "a kind");
    receiver_.set_kinds({{.ours = 0, .version = 2},
                         {.ours = 0, .version = 1},  // in which nobody converts
                         {.ours = 0, .version = 0},
                         {.ours = 0, .version = 1, .section = true}});
    handoff_callbacks callbacks{};
    callbacks.size = sizeof callbacks;
    callbacks.restore = [](void* user, const handoff_adopted* session) {
      return static_cast<Heir*>(user)->take(*session);
    };
    if (updates) callbacks.update = callbacks.restore;
    callbacks.drop = [](void* user, std::uint64_t id) {
      auto* self = static_cast<Heir*>(user);
      CHECK_THAT(self->sockets_.erase(id) == 1, "dropped, and was not here");
      self->story_ += " drop " + std::to_string(id);
    };
    registry_.callbacks = callbacks;
    registry_.callbacks_user = this;
  }

  void apply(std::string_view body, Fds fds, io::RingReceiver& ring) {
    if (over_) return;
    note("apply", receiver_.apply(body, fds, ring));
  }
  // All that came, and all that was done.
  std::string end() {
    if (!over_) note("restore", receiver_.restore());
    auto ids = receiver_.ids();
    std::ranges::sort(ids);
    for (const auto id : ids) story_ += " " + std::to_string(id);
    receiver_.drop();
    sockets_.clear();
    return story_;
  }

 private:
  int take(const handoff_adopted& session) {
    const std::string_view state(static_cast<const char*>(session.state), session.state_length);
    story_ += " take " + std::to_string(session.id) + " " + std::to_string(session.flags) + " ";
    story_.append(state).append("|");
    story_.append(static_cast<const char*>(session.input), session.input_length).append("|");
    story_.append(static_cast<const char*>(session.output), session.output_length);
    if (session.fd >= 0) sockets_[session.id] = UniqueFd(session.fd);
    return state.starts_with("no") ? -EINVAL : 0;
  }
  void note(const char* what, const Result<void>& done) {
    story_ += std::string(" ") + what;
    over_ = !done;
    if (!over_) return;
    CHECK_THAT(!done.error().message.empty(), "an error without words");
    story_ += " " + std::to_string(done.error().code) + " " + done.error().message;
  }

  io::Declared declared_;
  io::Registry registry_;
  io::SessionReceiver receiver_;
  std::map<std::uint64_t, UniqueFd> sockets_;
  std::string story_;
  bool over_ = false;
};

// With memfds for the sockets, since each has an inode of its own. Where a record says nothing of
// its inode or its checksum, the right one is put in: no input could guess it.
struct Frame {
  std::string body;
  Fds fds;

  explicit Frame(const std::string& raw) : body(raw) {
    const auto message = protocol::decode<protocol::Sessions>(raw);
    if (!message || message->in_ring) return;
    body.clear();
    for (protocol::Session record : message->sessions) {
      if (record.has_fd) {
        fds.emplace_back(::memfd_create("socket", MFD_CLOEXEC));
        struct stat info {};
        CHECK_THAT(::fstat(fds.back().get(), &info) == 0, "fstat");
        if (record.inode == 0) record.inode = info.st_ino;
      }
      if (record.blob) add_blob(*record.blob);
      protocol::append(body, record);
    }
    for (const std::uint64_t id : message->closed) protocol::append_closed(body, id);
    if (message->unseen) protocol::append_unseen(body);
  }
  Fds copies() const {
    Fds out;
    for (const UniqueFd& fd : fds) out.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    return out;
  }

 private:
  void add_blob(protocol::Blob& blob) {
    const auto part = [](std::uint64_t size, char c) {
      constexpr std::uint64_t kMost = 4096;
      return std::string(std::min(size, kMost), c);
    };
    const std::string state = part(blob.state_length, 's');
    const std::string input = part(blob.input_length, 'i');
    const std::string output = part(blob.output_length, 'o');
    const std::string_view parts[] = {state, input, output};
    auto memory = io::make_blob(parts);
    CHECK_THAT(memory, "a blob");
    fds.push_back(std::move(*memory));
    if (blob.checksum == 0) blob.checksum = io::checksum(state, input, output);
  }
};

void check(FuzzedDataProvider& input) {
  auto memory = io::make_ring(std::size_t{kSlots} * kSlotSize);
  CHECK_THAT(memory, "a ring");
  io::RingReceiver ring;
  io::RingReceiver none;
  Fds with;
  with.emplace_back(::fcntl(memory->fd.get(), F_DUPFD_CLOEXEC, 0));
  CHECK_THAT(ring.apply(protocol::encode(protocol::Ring{kSlots, kSlotSize}), with), "a ring");
  const bool updates = input.ConsumeBool();
  Heir plain(updates);
  Heir by_ring(updates);
  for (std::uint32_t slot = 0; slot < kSlots && input.remaining_bytes() > 0; ++slot) {
    const Frame frame(input.ConsumeRandomLengthString(kSlotSize));
    const protocol::InRing place{.slot = slot,
                                 .length = static_cast<std::uint32_t>(frame.body.size()),
                                 .checksum = io::checksum(frame.body)};
    if (frame.body.size() > kSlotSize) continue;
    std::memcpy(memory->mapping.data() + std::size_t{slot} * kSlotSize, frame.body.data(),
                frame.body.size());
    protocol::InRing wrong = place;
    wrong.checksum ^= 1;
    CHECK_THAT(!ring.take("Sessions", wrong), "another checksum");
    wrong = place;
    wrong.slot += kSlots;
    CHECK_THAT(!ring.take("Sessions", wrong), "a slot that there is not");
    wrong = place;
    wrong.length = kSlotSize + 1;
    CHECK_THAT(!ring.take("Sessions", wrong), "more than a slot");
    const auto inside = protocol::decode<protocol::Sessions>(frame.body);
    if (inside && inside->in_ring) continue;  // a frame may say so, and what lies there may not
    plain.apply(frame.body, frame.copies(), none);
    by_ring.apply(protocol::encode(place), frame.copies(), ring);
  }
  const std::string story = plain.end();
  const std::string other = by_ring.end();
  CHECK_THAT(story == other, story + "\nby the ring:\n" + other);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto lowest_free = [] { return UniqueFd(::dup(STDERR_FILENO)).get(); };
  const int before = lowest_free();
  FuzzedDataProvider input(data, size);
  check(input);
  CHECK_THAT(lowest_free() == before, "an fd is left open");
  return 0;
}
