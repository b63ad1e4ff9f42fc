// Keeps what was chosen for a service where a reboot does not take it: copies of the release that
// runs and of the one to go back to, and which they are. All of that is done on a thread, one thing
// after the other. What somebody removes or changes there is kept again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/core/backoff.h"
#include "supervisor/host/saved_state.h"
#include "supervisor/loop/handles.h"
#include "supervisor/releases/release.h"
#include "supervisor/service/service_host.h"

namespace handoff::supervisor {

// Of a service that is gone for good: its choice, and the copies. folder: where they lie.
void forget_service(const std::string& folder);

class Keeper {
 public:
  // host outlives this object.
  Keeper(const ServiceHost& host, std::string service);

  // A file of the folder, as this object has left it.
  struct FileAsKept {
    std::string path;
    FileMark mark;
    static FileAsKept at(std::string path);
    bool is_there() const { return at(path).mark == mark; }
  };
  struct Choice {
    ReleasePtr running;
    ReleasePtr back;  // null: none
    std::string running_name;
    std::string back_name;
    std::string running_digest;  // a file of it may have been found since
    std::string back_digest;
    std::vector<std::string> command;  // of the configuration, when it was chosen
    std::string program;               // where $PATH led to for it
    Probation::Saved probation;
    Rest rest = Rest::kNo;
    friend bool operator==(const Choice&, const Choice&) = default;
  };
  // How it is now: whatever has changed is kept, and so is what is not there any more as it was
  // kept.
  void follow(Choice chosen);
  // Whether there is a copy of that release; nullopt: that is being found out, or the choice
  // written.
  std::optional<bool> has(const Release& release) const;
  // Now, and before this returns: the supervisor ends. What was not done is done by the next one.
  void flush();
  // The service is gone for good: nothing of it is kept any more. On a thread, and soon.
  void forget();

 private:
  struct Job;
  struct Writing;
  void look();
  void begin();
  // copies: else only the choice is written.
  void work(const Choice& chosen, bool copies);
  std::string text_of(const Choice& chosen) const;
  void done(const Job& job);

  const ServiceHost& host_;
  std::string service_;
  std::string folder_;
  std::optional<Choice> chosen_;
  bool asked_ = false;  // there is something new
  bool busy_ = false;
  std::map<std::string, bool> known_;  // by their ids
  std::vector<FileAsKept> copies_;     // the files of those
  std::string complaint_;              // the one that was told last
  std::shared_ptr<Writing> writing_;   // the thread's, too
  Backoff backoff_;
  Timer again_;  // the choice could not be written
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace handoff::supervisor
