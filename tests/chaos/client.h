// One connection that checks every byte that comes back. A client has no loop: its owner calls
// advance() every few milliseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "dialogue.h"
#include "libhandoff/base/unique_fd.h"
#include "tls.h"

namespace chaos {

using Clock = std::chrono::steady_clock;

// What a client does until wake(); then every client is busy, but for those that are full.
enum class Manner {
  kBusy,   // always some requests under way
  kHalf,   // some requests under way, the last of them (or its record) cut in two
  kQuiet,  // has said something once, and waits
  kLazy,   // has asked for a lot, and does not read it
  kFull,   // large requests and large replies are on their way all the time
};

class Client {
 public:
  enum class End {
    kAlive,
    kDone,  // finish() came to its end
    kRefused,
    kReset,
    kEof,    // closed by the service, unasked
    kFault,  // a byte or a record that is not the expected one: see fault()
  };

  // exchanges: finishes by itself after so many; 0: goes on. tls: of a connection that speaks TLS.
  Client(int port, std::unique_ptr<Dialogue> dialogue, Manner manner, std::uint64_t number,
         std::uint64_t exchanges = 0, std::unique_ptr<Tls> tls = nullptr);

  void advance();
  void wake() {
    if (manner_ != Manner::kFull) manner_ = Manner::kBusy;
  }
  // Asks nothing new. When all is answered, the client ends the connection and waits for the
  // service to close it.
  void finish() {
    wake();
    finishing_ = true;
  }

  bool alive() const { return end_ == End::kAlive; }
  End end() const { return end_; }
  Fault fault() const { return fault_; }
  // Whether the service's side ended the connection, without a wrong byte before.
  bool cut() const { return end_ == End::kRefused || end_ == End::kReset || end_ == End::kEof; }
  Manner manner() const { return manner_; }
  const std::string& error() const { return error_; }
  std::uint64_t asked() const { return asked_; }
  std::uint64_t answered() const { return answered_; }
  std::uint64_t bytes() const { return bytes_; }  // checked
  // Whether the client is in the state that its manner describes.
  bool settled() const;
  // The longest wait for an answer since reset_gap().
  Clock::duration longest_gap() const { return longest_gap_; }
  void reset_gap();

 private:
  bool shaking_hands() const { return tls_ != nullptr && !tls_->ready(); }
  void read();
  void hear(std::string_view bytes);
  void check(std::string_view fresh);
  void ask(Exchange exchange);
  void compose();
  void write();
  void note_end();
  void note_answer();
  void fail(End end, const std::string& what);
  void fail_errno(const std::string& what);

  static constexpr std::size_t kNothing = std::string::npos;

  handoff::UniqueFd fd_;
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<Dialogue> dialogue_;
  Manner manner_;
  std::uint64_t number_;
  std::uint64_t exchanges_;
  bool finishing_ = false;
  bool shut_ = false;
  int blocked_ = 0;  // kLazy: turns in which nothing more could be asked
  End end_ = End::kAlive;
  Fault fault_ = Fault::kWrong;
  std::string error_;
  std::uint64_t asked_ = 0, answered_ = 0, bytes_ = 0;
  std::deque<Exchange> open_;               // asked, not answered
  std::string output_;                      // composed, not taken by the kernel
  std::size_t held_from_ = kNothing;        // kHalf: from there on output_ waits
  std::string partial_;                     // the reply as far as it has come
  Clock::time_point since_ = Clock::now();  // when the wait for the next answer began
  Clock::duration longest_gap_{};
};

}  // namespace chaos
