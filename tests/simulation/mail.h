// Messages that wait to be read, in order: a socket's buffer. Worlds are copied and compared
// millions of times, so it is small.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace handoff::simulation {

enum class Message : std::uint8_t {
  // channel, from the donor
  kHello,
  kListeners,
  kSession,  // which one, and whether its state is (still) that of its stream
  kClosed,   // which one stays with the donor
  kCopyEnd,
  kPrepare,  // how many sessions the heir must have
  kRelease,
  // channel, from the heir
  kHelloBack,
  kCopied,    // a bit for each session that the heir has refused
  kPrepared,  // likewise
  kResumed,
  // channel, from either
  kAbort,
  // control socket, from the supervisor
  kDonate,
  kCancel,
  // control socket, to the supervisor
  kRegister,
  kOwner,  // how many sessions are lost
  kFailed,
  kProgressCopy,
  kProgressSwitch,
  kRetired,  // how many sessions were closed
  kRetiredHeirDied,
  kLate,  // how many sessions stay
};
inline constexpr int kMessages = 22;
const char* name(Message message);

struct Packet {
  Message message{};
  std::uint8_t value = 0;  // 3 bits: kSession: session * 2 + current; kOwner: lost
};

class Mail {
 public:
  static constexpr std::size_t kCapacity = 8;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  Packet operator[](std::size_t i) const {
    return {static_cast<Message>(bytes_[i] >> 3U), static_cast<std::uint8_t>(bytes_[i] & 7U)};
  }
  Packet front() const { return (*this)[0]; }
  Packet back() const { return (*this)[size_ - 1U]; }
  bool has(Message message) const {
    for (std::size_t i = 0; i < size_; ++i) {
      if ((*this)[i].message == message) return true;
    }
    return false;
  }
  std::uint8_t byte(std::size_t i) const { return bytes_[i]; }

  void push(Packet packet) {
    if (size_ == kCapacity) {
      std::fputs("simulation: a mail has more packets than anybody sends\n", stderr);
      std::abort();
    }
    bytes_[size_++] = static_cast<std::uint8_t>(static_cast<unsigned>(packet.message) << 3U |
                                                (packet.value & 7U));
  }
  Packet pop() {
    const Packet first = front();
    for (std::size_t i = 1; i < size_; ++i) bytes_[i - 1] = bytes_[i];
    bytes_[--size_] = 0;
    return first;
  }
  void clear() { *this = {}; }
  // The session's bytes have moved, so no state of it in here is current any more.
  void outdate(std::uint8_t session) {
    for (std::size_t i = 0; i < size_; ++i) {
      const Packet packet = (*this)[i];
      if (packet.message == Message::kSession && packet.value >> 1U == session) bytes_[i] &= 0xFEU;
    }
  }

 private:
  std::array<std::uint8_t, kCapacity> bytes_{};
  std::uint8_t size_ = 0;
};

}  // namespace handoff::simulation
