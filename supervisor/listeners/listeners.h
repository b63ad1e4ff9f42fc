// The listeners of one service: bound here, kept by systemd over a restart of the supervisor, or
// shown by a process that the supervisor before this one had started. Never bound anew while such a
// process may hold the old one (invariant I6, docs/invariants.md).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/host/kept_fds.h"
#include "supervisor/host/notify.h"
#include "supervisor/listeners/listener.h"
#include "supervisor/processes/service_messages.h"

namespace handoff::supervisor {

class Listeners {
 public:
  // report_path: by which a process that has an address already is known for one of ours.
  Listeners(std::string service, std::vector<NamedAddress> wanted, Notify& notify,
            std::string report_path = "")
      : service_(std::move(service)),
        wanted_(std::move(wanted)),
        notify_(&notify),
        report_path_(std::move(report_path)) {
    have_.resize(wanted_.size());
  }

  // From now on: those that are here and are not among them are closed, others bound when missing.
  // Options of those that stay are set.
  void want(std::vector<NamedAddress> wanted);
  // Takes those that were kept, as far as they are what is wanted now.
  void take_kept(KeptFds& kept);
  // Binds what is missing and not left out; all or an error that names one. No process of the
  // service may serve: a Unix socket that has lost each of its names counts as missing.
  Result<void> bind_missing(const std::vector<std::string>& left_out = {});
  // Until it is bound again.
  void close(const std::string& name);
  // Makes paths of Unix listeners again that somebody has removed. What was done, or why it can't
  // be, by listener.
  struct Mended {
    std::string name;
    bool done = false;
    std::string what;
  };
  std::vector<Mended> mend_paths();
  // From a process that has it: fds that are wanted and missing are taken, the others closed.
  void take_shown(std::vector<NamedFd>& shown);

  // The listeners that are bound, in the order of the configuration.
  std::vector<const Listener*> here() const;
  bool has(const std::string& name) const;
  std::vector<std::string> wanted_names() const;
  std::vector<std::string> names() const;  // of here()
  nlohmann::json json() const;

 private:
  void keep(std::size_t index, Listener listener);
  void set(Listener& listener, const ListenerOptions& options);
  void drop_lost();
  std::string spare_of(const std::string& name) const;

  std::string service_;
  std::vector<NamedAddress> wanted_;
  std::vector<std::optional<Listener>> have_;
  Notify* notify_;
  std::string report_path_;
};

}  // namespace handoff::supervisor
