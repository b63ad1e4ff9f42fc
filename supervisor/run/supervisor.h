// The whole of `handoff run`: the services, the ways in for operators and for services that return,
// signals, systemd; and what the next supervisor should know, should this one die.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "supervisor/config/config.h"
#include "supervisor/host/config_keeper.h"
#include "supervisor/host/journal_writer.h"
#include "supervisor/host/notify.h"
#include "supervisor/host/runtime_dir.h"
#include "supervisor/host/state_keeper.h"
#include "supervisor/loop/background.h"
#include "supervisor/loop/start_queue.h"
#include "supervisor/operators/control_server.h"
#include "supervisor/operators/request.h"
#include "supervisor/processes/call.h"
#include "supervisor/processes/reaper.h"
#include "supervisor/processes/service_door.h"
#include "supervisor/run/opening.h"
#include "supervisor/run/predecessor.h"
#include "supervisor/run/runtime_watch.h"
#include "supervisor/self/self_upgrade.h"
#include "supervisor/service/limited_log.h"
#include "supervisor/service/service_runner.h"
#include "supervisor/service/watching.h"

namespace handoff::supervisor {

// How the configuration is read again.
struct ConfigSource {
  std::string file;  // "" if there is none: it came from the command line
  std::function<Result<Config>()> read;
  std::function<Result<Config>(const std::string& text)> understand;
  // Why it is not the file that is in force but what it said last; "" if it is.
  std::string problem;
};

class Supervisor {
 public:
  // Takes the runtime folder, binds the listeners, opens the releases. Refused is what concerns all
  // services; one that can't be opened or bound is logged, and tried again from start() on. (Where
  // the command line names the only one, that is refused, too, unless a supervisor before this one
  // ran it.)
  static Result<std::unique_ptr<Supervisor>> open(uv_loop_t* loop, const Config& config,
                                                  ConfigSource source, WatchOptions watch,
                                                  const std::string& runtime);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void start();
  // Nothing is left to do: the loop may end.
  bool over() const { return over_; }

 private:
  struct StatusRequest;

  Supervisor(uv_loop_t* loop, RuntimeDir runtime, Journal journal, UniqueFd operators,
             UniqueFd services);
  Result<void> add(const ServiceConfig& config, Opened opened, KeptFds& kept);

  void serve(const ClientPtr& client, const Request& request);
  static void serve(ServiceRunner& service, const ClientPtr& client, const Request& request);
  void serve_status(const ClientPtr& client, const std::vector<ServiceRunner*>& services);
  void serve_history(const ClientPtr& client);
  nlohmann::json history_json() const;
  void serve_reload(const ClientPtr& client);
  struct Reading;
  void ask_reload(const ClientPtr& client, const Who& who);
  void begin_reload();
  void end_reload(Result<nlohmann::json> done);
  Result<void> may_reload() const;
  nlohmann::json told(Result<nlohmann::json> done, const Who& who);
  Result<nlohmann::json> take_config(Reading& read, const Who& who);
  Result<void> add_new(Reading& read, std::vector<std::string>& added);
  void go_on_without_config(Predecessor& predecessor, KeptFds& kept);
  void note_unnamed(const Config& config);
  SavedService saved(const std::string& name);
  // at_once: its program is opened now. Else when it is started, on a thread: a slow disk under one
  // program holds up no other service.
  Result<void> try_add(const ServiceConfig& config, std::optional<Before> before, KeptFds& kept,
                       bool at_once);
  // Nothing of it runs, and nothing may.
  bool idle(const ServiceRunner& service) const {
    return service.idle() && !awaited_.contains(service.name());
  }
  std::set<std::string> catch_up();
  void go_on(const std::string& name, bool requested);
  void begin(const std::string& name, bool requested);
  using Processes = std::vector<std::unique_ptr<Process>>;
  // A thread finds out what they run, and then is called with them.
  void look_at(const std::string& name, Processes processes, std::function<void(Processes)> then);
  void returned(pid_t pid, UniqueFd& fd);
  void introduced(pid_t pid, const Introduction& who, UniqueFd& fd);
  void knocked(pid_t pid);
  void let_in(const Introduction& who, std::unique_ptr<Process> process, UniqueFd& fd);
  void turn_away(pid_t pid, const Introduction& who, const std::string& why);
  RuntimeWatch::State mend_runtime();
  void serve_self(const ClientPtr& client, const std::string& path, bool allow_downgrade);
  // One after the other, each when the disk has what the one before has written.
  void record_self(const ClientPtr& client, const std::string& path, bool allow_downgrade);
  void check_self(const ClientPtr& client, const std::string& path, bool allow_downgrade);
  void drop_self(const ClientPtr& client, const std::string& code, const std::string& why);
  void self_checked(const ClientPtr& client, const std::string& why);
  void self_arrived();
  void set_history(const HistoryConfig& history);
  void keep(const Config& config);
  std::string state_text();
  void look_around();
  void end();
  void child_ended(pid_t pid, const Exit& exit);
  void changed();
  void stop_asked(const char* signal);

  uv_loop_t* loop_;
  StartQueue starts_;
  ConfigSource source_;
  RuntimeDir runtime_;
  JournalWriter journal_;
  HistoryConfig history_;
  ConfigKeeper config_keeper_;
  Notify notify_;
  std::string boot_;
  std::vector<SavedService> foreign_;  // run by the supervisor before this one, and not in the
                                       // configuration of this one
  std::string in_force_;               // the configuration's text
  std::map<std::string, std::string> unnamed_;  // services that it does not name any more, and that
                                                // run on: the text that named them last
  std::map<std::string, std::string> saved_;    // what the state file says of each service
  StateKeeper state_;
  Timer turn_;             // something has changed in this turn
  ProcessList processes_;  // of the host
  const Cgroups cgroups_ = Cgroups::of_this_process();
  std::map<std::string, Before> before_;  // of those that were found, until they go on
  struct Awaited {
    std::unique_ptr<Timer> patience;
    std::vector<std::unique_ptr<Call>> calls;
  };
  static constexpr const char* kMayRun = "it may still run: it is waited for";
  std::map<std::string, Awaited> awaited_;  // of those, who may still run
  std::set<pid_t> told_;                    // who was turned away at the door, and that was said
  // Of ever new processes, which may call themselves what they like: of each service, and "" of any
  // other.
  std::map<std::string, LimitedLog> turned_away_;
  std::map<std::string, std::vector<nlohmann::json>> unrecorded_;  // until start()
  std::map<std::string, std::unique_ptr<ServiceRunner>> services_;
  std::optional<Watching> watching_;
  std::unique_ptr<ControlServer> control_;
  ServiceDoor door_;
  RuntimeWatch runtime_watch_;
  std::string runtime_problem_;  // as it was said last
  std::unique_ptr<SelfUpgrade> self_;
  ClientPtr self_client_;  // asked the supervisor that this one has replaced
  Timer self_patience_;
  std::map<StatusRequest*, std::shared_ptr<StatusRequest>> status_requests_;
  Reaper reaper_;
  SignalWatch term_;
  SignalWatch int_;
  SignalWatch hup_;
  struct Reload {
    ClientPtr client;
    Who who;  // nobody: a signal
  };
  std::deque<Reload> reloads_;  // the first is under way
  Background reading_;          // for that
  bool started_ = false;
  bool stopping_ = false;
  bool over_ = false;
  std::shared_ptr<bool> here_ = std::make_shared<bool>(true);  // for threads that end later
};

}  // namespace handoff::supervisor
