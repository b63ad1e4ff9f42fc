// The other side of a handoff, played by the test frame by frame. A child process that only waits
// stands for the peer: killing it is the peer's death.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libhandoff/handoff/ownership_word.h"
#include "support/peers/service_process.h"

namespace handoff::test {

// A TCP connection within this process: the server's end, to be handed over, and the client's.
struct Connection {
  UniqueFd server;
  UniqueFd client;
};
Connection connect_pair(int listener);
std::uint64_t inode_of(int fd);
std::uint64_t device_of(int fd);
// What the peer's client sees next: a line, "EOF" or "RESET".
std::string next_line(int client);

// Plays the donor for an heir in a child process.
class RawDonor {
 public:
  explicit RawDonor(const std::function<int()>& heir_body, const Terms& terms = {},
                    const std::string& report_path = "");

  ServiceProcess& heir() { return *heir_; }
  Process& process() { return process_; }
  io::Channel& channel() { return *channel_; }
  int listener() const { return listener_.get(); }
  int port() const { return port_; }
  Connection& connection(std::size_t i) { return connections_[i]; }
  std::size_t connections() const { return connections_.size(); }

  v1::Hello hello() const;
  v1::Listeners listeners() const;
  v1::Sessions sessions(bool independent) const;  // all connections, state "5"
  std::vector<int> session_fds() const;
  v1::Prepare prepare() const;
  int word() const { return word_.fd(); }
  bool claim() { return word_.claim(io::OwnershipWord::Party::kDonor); }

  void open_connections(std::size_t n);
  void send_hello();
  void send_listeners();
  void send_sessions(bool independent);
  void send_copy_end();  // and receives Copied
  void send_prepare();   // and receives Prepared
  // Everything from Hello up to Copied, or up to Prepared; each connection is a session.
  void copy(std::size_t connections, bool independent = false);
  void copy_and_prepare(std::size_t connections, bool independent = false);
  // Next frame of the heir that is no Ack.
  Frame next();
  // Drops this side's sockets, as an exit does.
  void close_sockets();
  // Does what a process's death does: sockets and channel close, then the exit is seen.
  void die();

 private:
  Process process_{wait_to_be_killed};
  UniqueFd listener_;
  int port_;
  std::vector<Connection> connections_;
  io::OwnershipWord word_;
  std::optional<io::Channel> channel_;
  std::unique_ptr<ServiceProcess> heir_;
};

// Expects that the heir has given up: an Abort with this code (if told), Failed to the supervisor,
// exit status 3.
void expect_given_up(RawDonor& donor, v1::Code code, bool told = true);

// Goes on from CopyEnd without a fault, and expects that the heir owns every connection, with state
// "5".
void expect_taken(RawDonor& donor);

// Plays the heir for a donor in a child process that serves already.
class RawHeir {
 public:
  explicit RawHeir(ServiceProcess& donor, const Terms& terms = {});

  Process& process() { return process_; }
  io::Channel& channel() { return *channel_; }
  void close_channel() { channel_.reset(); }

  v1::Hello hello() const;
  // Next frame of the donor; fds that come are closed.
  Frame next();
  // Frames up to the one of this type; the heir acknowledges as it should.
  Frame await(protocol::Type type);
  void send_hello() { send_hello(hello()); }
  void send_hello(const v1::Hello& hello);
  void send_copied();
  void send_prepared();
  // Everything up to that frame of the donor, with Hello unless it was sent; throws if another
  // frame comes.
  void reach_copy_end();
  void reach_prepare();
  void reach_release();
  // Takes the ownership word, which Prepare has brought; false if the donor has it.
  bool claim() { return word_.value().claim(io::OwnershipWord::Party::kHeir); }

 private:
  Process process_{wait_to_be_killed};
  std::optional<io::Channel> channel_;
  bool greeted_ = false;
  std::uint64_t sessions_ = 0;
  std::optional<io::OwnershipWord> word_;
};

}  // namespace handoff::test
