#include "supervisor/config/config_change.h"

#include <algorithm>

#include "supervisor/core/duration.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

using When = ConfigChange::When;

const NamedAddress* find(const std::vector<NamedAddress>& listeners, const std::string& name) {
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const NamedAddress& other) { return other.name == name; });
  return found == listeners.end() ? nullptr : &*found;
}

std::string words(const std::vector<std::string>& command) {
  std::string out;
  for (const std::string& word : command) out += (out.empty() ? "" : " ") + word;
  return out;
}

const char* when_name(When when) {
  switch (when) {
    case When::kNow:
      return "now";
    case When::kNextStart:
      return "next_start";
    case When::kFreshStart:
      return "fresh_start";
    case When::kNextUpgrade:
      return "next_upgrade";
    case When::kNot:
      break;
  }
  return "not";
}

class Comparison {
 public:
  Comparison(const ServiceConfig& now, const ServiceConfig& wanted, bool idle, bool never_opened)
      : now_(now), wanted_(wanted), idle_(idle), never_opened_(never_opened) {
    out_.config = wanted;
  }

  ConfigOutcome all() {
    command();
    listen();
    deadlines();
    policies();
    return std::move(out_);
  }

 private:
  void add(const std::string& key, When when, std::string what) {
    out_.changes.push_back({now_.name, key, when, std::move(what)});
  }

  void command() {
    if (now_.command == wanted_.command) return;
    if (never_opened_) {
      add("command", When::kNextStart, words(wanted_.command) + " when it is tried again");
      return;
    }
    add("command", When::kNextUpgrade,
        words(wanted_.command) + " at the next `handoff upgrade " + now_.name + "`");
  }

  // Connections wait in a listener that is there: an upgrade moves it, and nothing else does while
  // the service runs.
  void listen() {
    std::vector<NamedAddress> result = wanted_.listen;
    for (const NamedAddress& want : wanted_.listen) {
      const NamedAddress* have = find(now_.listen, want.name);
      if (have == nullptr) {
        if (const NamedAddress* before = renamed(want)) {
          std::erase_if(result, [&](const NamedAddress& one) { return one.name == want.name; });
          in_use(want, *before);
        } else {
          added(want);
        }
      } else if (have->address != want.address) {
        moved(*have, want);
      } else if (have->options != want.options) {
        options(result, *have, want);
      }
    }
    for (const NamedAddress& have : now_.listen) {
      if (find(wanted_.listen, have.name) != nullptr) continue;
      removed(have);
      if (!idle_) result.push_back(have);
    }
    out_.config.listen = std::move(result);
  }

  // The one whose address it takes, and which stays there.
  const NamedAddress* renamed(const NamedAddress& want) const {
    const bool any_port = want.address.kind != core::Address::Kind::kUnix && want.address.port == 0;
    if (idle_ || any_port || want.options.bind.reuseport) return nullptr;
    for (const NamedAddress& have : now_.listen) {
      if (have.address == want.address && find(wanted_.listen, have.name) == nullptr) return &have;
    }
    return nullptr;
  }

  void in_use(const NamedAddress& want, const NamedAddress& before) {
    std::string& asked = out_.config.health.listener;
    if (asked == want.name) asked = before.name;
    add("listen." + want.name, When::kNot,
        core::to_string(want.address) + " is the address of " + before.name +
            ", which stays there while the service runs: handoff stop " + now_.name +
            ", handoff reload, handoff restart " + now_.name);
  }

  void added(const NamedAddress& want) {
    const std::string address = core::to_string(want.address);
    if (idle_) {
      return add("listen." + want.name, When::kFreshStart,
                 address + " is bound when it is started");
    }
    add("listen." + want.name, When::kNextUpgrade,
        address + " is bound for the next release (handoff upgrade " + now_.name +
            "), or at the next start from nothing");
  }

  void moved(const NamedAddress& from, const NamedAddress& to) {
    const std::string address = core::to_string(to.address);
    if (idle_) {
      return add("listen." + to.name, When::kFreshStart, address + " is bound when it is started");
    }
    add("listen." + to.name, When::kNextUpgrade,
        "moves from " + core::to_string(from.address) + " to " + address +
            " at the next upgrade; until that is permanent both are served");
  }

  void removed(const NamedAddress& have) {
    if (idle_) return add("listen." + have.name, When::kFreshStart, "closed");
    add("listen." + have.name, When::kNot,
        "stays at " + core::to_string(have.address) + ": connections wait there; handoff stop " +
            now_.name + ", handoff reload, handoff restart " + now_.name);
  }

  void options(std::vector<NamedAddress>& result, const NamedAddress& have,
               const NamedAddress& want) {
    const std::string key = "listen." + want.name;
    if (idle_) return add(key, When::kFreshStart, "bound like that when it is started");
    const ListenerOptions later = as_bound(have.options, want.options);
    for (NamedAddress& one : result) {
      if (one.name == want.name) one.options = later;
    }
    if (later != have.options) add(key, When::kNow, kOptionsAreSet);
    if (later != want.options) {
      add(key, When::kNot,
          "v6only, freebind, reuseport and device are as it was bound: handoff stop " + now_.name +
              ", handoff reload, handoff restart " + now_.name);
    }
  }

  void duration(const std::string& key, Duration from, Duration to) {
    if (from == to) return;
    add(key, When::kNow, format_duration(from) + " -> " + format_duration(to));
  }

  void deadlines() {
    const Timeouts& from = now_.timeouts;
    const Timeouts& to = wanted_.timeouts;
    duration("start_timeout", from.start, to.start);
    duration("freeze_budget", from.freeze_budget, to.freeze_budget);
    duration("stall_timeout", from.stall, to.stall);
    duration("drain", from.drain, to.drain);
    duration("probation", from.probation, to.probation);
  }

  void policies() {
    if (now_.health != wanted_.health) add("health", When::kNow, "asked like that from now on");
    if (now_.max_errors != wanted_.max_errors) {
      add("max_errors", When::kNow,
          wanted_.max_errors ? std::to_string(*wanted_.max_errors) : "not counted any more");
    }
    if (now_.drain_incompatible != wanted_.drain_incompatible) {
      add("incompatible", When::kNow, wanted_.drain_incompatible ? "drain" : "refuse");
    }
    if (now_.unclaimed != wanted_.unclaimed) {
      add("unclaimed", When::kNow, describe(wanted_.unclaimed));
    }
    if (now_.unmovable != wanted_.unmovable) {
      using handoff::core::Unmovable;
      add("unmovable", When::kNow,
          wanted_.unmovable == Unmovable::kLate    ? "late"
          : wanted_.unmovable == Unmovable::kClose ? "close"
                                                   : "refuse");
    }
    if (now_.late != wanted_.late) {
      add("late", When::kNow,
          wanted_.late == LateSessions::kMove    ? "move"
          : wanted_.late == LateSessions::kClose ? "close"
                                                 : "keep");
    }
    if (now_.max_generations != wanted_.max_generations) {
      add("max_generations", When::kNow, std::to_string(wanted_.max_generations));
    }
    if (now_.children != wanted_.children) {
      add("children", When::kNow, wanted_.children == ChildrenPolicy::kEnd ? "end" : "leave");
    }
    if (now_.restart != wanted_.restart) {
      add("restart", When::kNow, wanted_.restart ? "true" : "false");
    }
    if (now_.vault != wanted_.vault) {
      add("vault", When::kNextStart,
          wanted_.vault ? "for processes that are started from now on, and ask for one"
                        : "for no process that is started from now on");
    }
    if (now_.recoveries.max_crashes != wanted_.recoveries.max_crashes) {
      add("vault_max_crashes", When::kNow, std::to_string(wanted_.recoveries.max_crashes));
    }
    if (now_.recoveries.max_recoveries != wanted_.recoveries.max_recoveries) {
      add("vault_max_recoveries", When::kNow, format_rate(wanted_.recoveries.max_recoveries));
    }
    if (now_.release_from_config != wanted_.release_from_config) {
      add("release", When::kFreshStart, wanted_.release_from_config ? "config" : "chosen");
    }
    if (now_.files != wanted_.files) {
      add("files", When::kNextUpgrade, "part of what is opened from now on");
    }
    if (now_.environment != wanted_.environment) {
      add("env", When::kNextStart, "for processes that are started from now on");
    }
    if (now_.working_dir != wanted_.working_dir) {
      add("working_dir", When::kNextStart, "for processes that are started from now on");
    }
    if (now_.releases_dir != wanted_.releases_dir) {
      add("releases_dir", When::kNow, "bundles are unpacked there from now on");
    }
    if (now_.signed_for() != wanted_.signed_for()) {
      add("verify.service", When::kNow,
          "what is opened from now on has to be signed for " + wanted_.signed_for());
    }
    if (now_.verify_key != wanted_.verify_key) {
      add("verify", When::kNow,
          wanted_.verify_key.empty() ? "nothing is verified any more"
                                     : "what is opened from now on is verified with this key");
    }
  }

  const ServiceConfig& now_;
  const ServiceConfig& wanted_;
  bool idle_;
  bool never_opened_;
  ConfigOutcome out_;
};

}  // namespace

ConfigOutcome change_config(const ServiceConfig& now, const ServiceConfig& wanted, bool idle,
                            bool never_opened) {
  return Comparison(now, wanted, idle, never_opened).all();
}

std::vector<ConfigChange> change_history(const HistoryConfig& now, const HistoryConfig& wanted) {
  std::vector<ConfigChange> out;
  const auto add = [&out](const char* key, std::string what) {
    out.push_back({"", key, When::kNow, std::move(what)});
  };
  if (now.required != wanted.required) add("history", wanted.required ? "required" : "wanted");
  if (now.limits.size != wanted.limits.size) {
    add("history_size",
        "rotated at " + std::to_string(wanted.limits.size / 1000) + " kB from now on");
  }
  if (now.limits.keep != wanted.limits.keep) {
    add("history_keep", std::to_string(wanted.limits.keep) + " older files stay from now on");
  }
  return out;
}

json changes_json(const std::vector<ConfigChange>& changes) {
  json out{{"changed", json::array()}, {"unchanged", json::array()}};
  for (const ConfigChange& change : changes) {
    json line{{"service", nullptr}, {"key", nullptr}, {"message", change.what}};
    if (!change.service.empty()) line["service"] = change.service;
    if (!change.key.empty()) line["key"] = change.key;
    if (change.when == When::kNot) {
      out["unchanged"].push_back(std::move(line));
    } else {
      line["when"] = when_name(change.when);
      out["changed"].push_back(std::move(line));
    }
  }
  return out;
}

}  // namespace handoff::supervisor
