// A supervisor in miniature for the library's own tests: it starts services as child processes that
// run a function of the test, speaks the control protocol with them through libprotobuf (so that
// each implementation of the messages checks the other), and can play donor or heir itself, frame
// by frame.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "handoff.pb.h"
#include "io/channel.h"

namespace handoff::test {

// How long any wait of a test may take before it has failed; nothing waits for this on purpose.
inline constexpr int kPatienceMs = 20000;

// A frame with its fds, owned.
struct Frame {
  protocol::Type type{};
  std::string body;
  std::vector<UniqueFd> fds;
  bool closed = false;  // no frame: the channel is at its end
};
// Waits for the next frame; a failure of the test if none comes.
Frame receive(io::Channel& channel);
// Sends, waiting for room.
void send(io::Channel& channel, protocol::Type type, const google::protobuf::MessageLite& message,
          const std::vector<int>& fds = {});
void send_raw(io::Channel& channel, protocol::Type type, const std::string& body,
              const std::vector<int>& fds = {});

// A service in a child process.
class Child {
 public:
  struct Handoff {  // for an heir
    UniqueFd channel;
    int peer_pidfd = -1;  // borrowed
    std::uint64_t id = 1;
    std::uint64_t stall_us = 10'000'000;
    std::uint32_t spread = 0;
    std::uint64_t budget_us = 5'000'000;  // sanitizers and busy machines are slow
  };
  // Runs body in a child whose environment says that it is supervised; its result is the exit
  // status.
  // report_path: where it is told to come back to.
  Child(std::uint64_t generation, const std::function<int()>& body, Handoff* handoff = nullptr,
        const std::vector<std::pair<std::string, int>>& listeners = {},
        const std::string& report_path = "");
  ~Child();  // ends it
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  io::Channel& control() { return control_; }

  // The next control message of this type; others are skipped (Progress comes when it likes).
  // closed if the child ended instead.
  Frame await(protocol::Type type);
  template <class Message>
  Message await_message(protocol::Type type) {
    const Frame frame = await(type);
    EXPECT_FALSE(frame.closed) << "the service ended before it sent " << protocol::type_name(type);
    Message message;
    EXPECT_TRUE(message.ParseFromString(frame.body)) << protocol::type_name(type);
    return message;
  }
  void donate(UniqueFd channel, int peer_pidfd, std::uint64_t id = 1,
              std::uint64_t stall_us = 10'000'000, std::uint64_t budget_us = 5'000'000,
              bool drain_incompatible = false, std::uint32_t spread = 0);
  void signal(int number) const;
  void stop() const;  // SIGSTOP, and waits until it does nothing more
  // Waits for its end; the wait status.
  int wait();
  std::vector<std::string> open_fds() const;  // link targets, sorted

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  io::Channel control_;
  bool waited_ = false;
};

// A child that only waits to be killed: somebody to have a pidfd of.
int sleep_forever();

// Polls one fd for reading; false after kPatienceMs.
bool readable(int fd);

}  // namespace handoff::test
