// The clients of a cell: residents, who are connected all the time, and visitors, who come, say a
// few words and go. Code that waits for anything in a cell calls pump(), so that the traffic goes
// on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client.h"
#include "support/process/deadline.h"

namespace chaos {

struct Tally {
  std::uint64_t sessions = 0;  // connections made
  std::uint64_t bytes = 0;     // checked
  std::uint64_t replies = 0;   // whole ones
  std::uint64_t lost = 0, duplicated = 0, wrong = 0;
  std::uint64_t reset = 0;  // residents cut off: reset, refused or closed
  std::uint64_t visitors_reset = 0;
  std::uint64_t unanswered = 0;  // alive, and without the last answers
  std::chrono::milliseconds longest_gap{};
  std::vector<std::string> errors;

  Tally& operator+=(const Tally& more);
};

class Traffic {
 public:
  // full: each resident is (Manner::kFull).
  Traffic(Service service, int port, std::size_t residents, bool full = false);

  // One turn, at most every two milliseconds: calls idle() with the milliseconds that are left till
  // then.
  using Idle = std::function<void(int)>;
  void pump(const Idle& idle);

  void invite_visitors(bool yes) { inviting_ = yes; }
  bool visitors_gone() const { return visitors_.empty(); }
  void visit();  // one visitor, now
  // Whether every resident is in the state in which the blow is to find it.
  bool settled() const;
  void wake();
  // ask_again() makes every living resident ask once more; all_answered_again() tells whether all
  // have had those answers.
  void ask_again();
  bool all_answered_again() const;
  void finish();
  bool finished() const;

  std::size_t alive() const;
  std::size_t alive(Manner manner) const;  // by what it was at first
  std::uint64_t cut() const;
  void reset_gaps();
  Tally tally() const;

 private:
  struct Resident {
    std::unique_ptr<Client> client;
    Manner manner;
    std::uint64_t answer_for = 0;
  };

  std::unique_ptr<Client> connect(Manner manner, std::uint64_t exchanges);
  void record(const Client& client, bool resident, Tally& tally) const;

  Service service_;
  int port_;
  std::unique_ptr<TlsClients> tls_;  // of a service that speaks TLS
  std::vector<Resident> residents_;
  std::vector<std::unique_ptr<Client>> visitors_;
  std::uint64_t next_number_ = 0;
  bool inviting_ = false;
  Clock::time_point next_turn_ = Clock::now(), next_visitor_ = Clock::now();
  Tally gone_;  // visitors that have left
};

}  // namespace chaos
