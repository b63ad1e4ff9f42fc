// Many clients of the echo service at once, writing all the time in a thread of their own.
//
// Residents are connected from the beginning to the end. Visitors come all the time, say a few
// lines and go. The report has everything that a client has found wrong.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libhandoff/base/unique_fd.h"
#include "support/clients/echo_client.h"
#include "support/process/deadline.h"

namespace handoff::test {

class EchoSwarm {
 public:
  struct Options {
    int port = 0;
    std::size_t residents = 1000;
    std::size_t window = 4;            // lines that each has under way
    unsigned visitors_per_second = 0;  // new connections
  };
  struct Report {
    std::uint64_t lines = 0;     // answered, and exactly so
    std::uint64_t visitors = 0;  // came, were answered, and went
    std::uint64_t refused = 0, resets = 0, eofs = 0, wrong = 0;
    std::uint64_t unfinished = 0;  // clients whose last answers did not come
    // The longest that a resident waited from one answer to the next.
    std::chrono::milliseconds longest_silence{};
    std::vector<std::string> errors;                 // the first of them, in words
    std::vector<std::vector<std::string>> versions;  // of each resident, see EchoClient

    bool flawless() const { return refused + resets + eofs + wrong + unfinished == 0; }
    std::string describe() const;
  };

  explicit EchoSwarm(Options options);
  ~EchoSwarm();
  EchoSwarm(const EchoSwarm&) = delete;
  EchoSwarm& operator=(const EchoSwarm&) = delete;

  // The first waits until the last answer of every resident came from that version; the second
  // until every resident has had an answer to a line that it wrote after the call. False at the
  // deadline, or as soon as a client has failed.
  bool wait_until_each_answered_by(const std::string& version, Deadline deadline);
  bool wait_until_each_answered_again(Deadline deadline);

  // Lets every client finish its lines and close; then the swarm is over.
  Report stop(Deadline deadline);

 private:
  struct Resident {
    std::unique_ptr<EchoClient> client;
    std::size_t versions_seen = 0;
    std::uint64_t answered = 0;
    Deadline::Clock::time_point answered_at;
    std::uint64_t round = 0;       // of wait_until_each_answered_again(), last joined
    std::uint64_t answer_for = 0;  // the line whose answer completes the round; 0: has had it
  };
  // What the thread tells the waiting test; guarded by mutex_.
  struct Progress {
    std::map<std::string, std::size_t> residents_at;  // version -> residents answered by it last
    std::uint64_t round = 0;
    std::size_t completed_round = 0;
    bool failed = false;
  };

  void run();
  void handle(std::uint64_t key);
  void advance_resident(Resident& resident);
  void note_answers(Resident& resident);
  void note_silence(Resident& resident);
  void advance_visitor(std::size_t index);
  void start_round();
  void invite_visitor();
  void finish_all();
  void watch(int fd, std::uint64_t key);
  void record_end(const EchoClient& client);
  void record_unfinished(const EchoClient& client);
  bool everybody_gone() const;

  Options options_;
  UniqueFd epoll_, wakeup_, visitor_timer_;
  std::vector<Resident> residents_;
  std::vector<std::unique_ptr<EchoClient>> visitors_;  // empty places are free
  std::uint64_t next_number_ = 0;
  bool finishing_ = false;
  Report report_;  // the thread's until it has ended

  std::mutex mutex_;
  std::condition_variable changed_;
  Progress progress_;
  std::uint64_t wanted_round_ = 0;     // guarded by mutex_
  std::optional<Deadline> finish_by_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace handoff::test
