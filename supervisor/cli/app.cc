// The commands, their options and their help. What follows `--` is taken off before CLI11 sees the
// rest: it is a service's command line, and none of ours.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "handoff/handoff.h"
#include "libhandoff/base/text.h"
#include "supervisor/base/utf8.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/terminal.h"
#include "supervisor/core/duration.h"
#include "supervisor/core/progressive.h"
#include "supervisor/core/suggest.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kFooter = R"(Examples:
  handoff run --name chat --listen public=tcp:0.0.0.0:7000 -- ./chat-1.0
  handoff upgrade chat ./chat-2.0
  handoff status

Exit status: 0 done; 1 refused or failed, and the service goes on as before; 2 usage;
3 no supervisor; 4 no such service; 5 done, but sessions were lost, or the counts of
the two releases do not agree; 6 too many clients at once.

Environment: HANDOFF_RUNTIME_DIR is the folder of the control socket; else /run/handoff for
root, else $XDG_RUNTIME_DIR/handoff.)";

constexpr const char* kRunFooter = R"(Examples:
  handoff run --name chat --listen public=tcp:0.0.0.0:7000 -- ./chat-1.0 --verbose
  handoff run --name kv --listen main=tcp:[::]:6379 --listen local=unix:/run/kv.sock -- kv-server
  handoff run --config /etc/handoff/handoff.toml
  handoff run --watch --name chat --listen public=tcp:127.0.0.1:7000 -- build/chat)";

constexpr const char* kUpgradeFooter = R"(Examples:
  handoff upgrade chat ./chat-2.0
  handoff upgrade chat ./chat-2.0.tar.gz       a bundle: the program with its libraries and files
  handoff upgrade chat                         the same path again: its file was replaced
  handoff upgrade chat ./chat-2.0 -- --verbose with other arguments
  handoff upgrade chat ./chat-2.0 --freeze-budget 100ms --json
  handoff upgrade --config chat                what the configuration names, unless that runs
  handoff upgrade --self                       the supervisor itself, to the file it was run from
  handoff upgrade --self ./handoff-new)";

constexpr const char* kPlanFooter = R"(
Starts the new release beside the one that runs, lets it take copies of the sessions and of the
state, and then go. The running one serves all the while; nothing is changed.

Exit status: 0 if the upgrade would go through, 1 if it would not.

Examples:
  handoff plan chat ./chat-2.0
  handoff plan chat ./chat-2.0 -- --verbose
  handoff plan chat ./chat-2.0 && handoff upgrade chat ./chat-2.0)";

// CLI11 knows nothing of what comes after `--`.
class Help : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    if (app->get_name() == "run") {
      return "Usage: handoff run [--config FILE]\n"
             "       handoff run --name NAME [--listen NAME=ADDRESS]... [OPTIONS] -- CMD "
             "[ARG...]\n";
    }
    if (app->get_name() == "upgrade") {
      return "Usage: handoff upgrade [OPTIONS] SERVICE [BINARY] [-- ARG...]\n"
             "       handoff upgrade --self [--json] [BINARY]\n";
    }
    if (app->get_name() == "plan") {
      return "Usage: handoff plan [OPTIONS] SERVICE [BINARY] [-- ARG...]\n";
    }
    return CLI::Formatter::make_usage(app, std::move(name));
  }
};

void add_duration(CLI::App* app, const std::string& flag, std::optional<Duration>& into,
                  const std::string& help) {
  app->add_option_function<std::string>(
         flag,
         [&into, flag](const std::string& text) {
           into = parse_duration(text);
           if (into == Duration{} && flag != "--drain" && flag != "--probation") {
             throw CLI::ValidationError(flag, "can't be zero: nothing would ever succeed");
           }
           if (!into) {
             throw CLI::ValidationError(
                 flag, "\"" + text + "\" is no duration; expected " + std::string(kDurationHelp));
           }
         },
         help)
      ->type_name("DURATION");
}

void add_timeouts(CLI::App* app, GivenTimeouts& timeouts) {
  add_duration(app, "--start-timeout", timeouts.start,
               "how long a new process may take to be ready (10s)");
  add_duration(app, "--freeze-budget", timeouts.freeze_budget,
               "how long the switch may take before it is given up (250ms)");
  add_duration(app, "--stall-timeout", timeouts.stall,
               "silence after which one release takes the other for hung (10s)");
  add_duration(app, "--drain", timeouts.drain,
               "how long an old process may take to leave before SIGTERM (30s)");
  add_duration(app, "--probation", timeouts.probation,
               "how long a new release is provisional after the switch (30s)");
}

void add_json(CLI::App* app, bool& json, const std::string& help) {
  app->add_flag("--json", json, help);
}

struct Parsed {
  RunOptions run;
  std::vector<std::string> watch;
  UpgradeOptions upgrade;
  PlanOptions plan;
  ServiceOptions status;
  ServiceOptions stop;
  ServiceOptions restart;
  ServiceOptions rollback;
  ServiceOptions commit;
  ServiceOptions history;
  CheckOptions check;
  ServiceOptions reload;
  DoctorOptions doctor;
  bool completion_json = false;
  std::string shell;
};

void add_run(CLI::App& app, Parsed& parsed) {
  RunOptions& run = parsed.run;
  CLI::App* sub = app.add_subcommand("run", "be the supervisor, in the foreground");
  sub->footer(kRunFooter);
  sub->add_option("--config", run.config, "read services from this file")->type_name("FILE");
  sub->add_option("--name", run.name, "the service, where there is no config")->type_name("NAME");
  sub->add_option("--listen", run.listen,
                  "NAME=ADDRESS, again for each: tcp:HOST:PORT, tcp:[V6]:PORT, udp:HOST:PORT, "
                  "unix:/PATH, unix:@ABSTRACT; port 0 lets the kernel choose")
      ->type_name("NAME=ADDRESS")
      ->allow_extra_args(false);
  sub->add_option("--working-dir", run.working_dir, "where the service runs")->type_name("DIR");
  sub->add_flag("--check", run.check,
                "only see whether this would run: options, configuration, and the state of the "
                "supervisor that runs now; prints what this program is, as JSON");
  sub->add_option("--watch", parsed.watch,
                  "upgrade whenever the binary on the disk has been rebuilt: of this service "
                  "(again for each), or of all")
      ->type_name("[SERVICE]")
      ->expected(0, 1)
      ->take_all();
  add_duration(sub, "--settle", run.settle,
               "how long nothing may happen to a file that is watched (300ms)");
  sub->add_flag("--no-restart", run.no_restart, "leave it stopped if it dies");
  sub->add_flag("--vault", run.vault,
                "keep its sessions in a vault, if it asks for one: they outlive its death");
  add_timeouts(sub, run.timeouts);
  add_json(sub, run.json, "log as JSON, one object a line");
}

void add_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* upgrade = app.add_subcommand("upgrade", "hand a running service to its next release");
  upgrade->footer(kUpgradeFooter);
  upgrade->add_option("SERVICE", parsed.upgrade.service, "which")->type_name("");
  upgrade
      ->add_option(
          "BINARY", parsed.upgrade.binary,
          "the new release, a program or a bundle (.tar, .tar.gz, .tar.zst); without it the "
          "file at the present path")
      ->type_name("");
  upgrade->add_flag("--self", parsed.upgrade.self,
                    "replace the supervisor itself: the same process, no service is touched");
  upgrade->add_flag("--config", parsed.upgrade.configured,
                    "to what the configuration names; if that runs, nothing is done (exit 0)");
  constexpr const char* kDowngrade = "also to a release that is signed as an older version";
  upgrade->add_flag("--allow-downgrade", parsed.upgrade.allow_downgrade, kDowngrade);
  constexpr const char* kMemory =
      "also where the memory that is left is too little for any handoff";
  upgrade->add_flag("--ignore-memory", parsed.upgrade.ignore_memory, kMemory);
  constexpr const char* kOneWay =
      "also to a release that could not hand the sessions back to the one that runs";
  upgrade->add_flag("--one-way", parsed.upgrade.one_way, kOneWay);
  upgrade
      ->add_option_function<std::string>(
          "--progressive",
          [&parsed](const std::string& text) {
            const auto shares = parse_shares(text);
            if (!shares) {
              throw CLI::ValidationError("--progressive", "\"" + text +
                                                              "\" is no list of shares; expected "
                                                              "ascending ones up to 100%, as "
                                                              "1%,10%,100%");
            }
            parsed.upgrade.shares = *shares;
          },
          "move only this share of the sessions at first, then the next: 1%,10%,100%")
      ->type_name("SHARES");
  add_duration(upgrade, "--pause", parsed.upgrade.pause, "between two shares (30s)");
  add_timeouts(upgrade, parsed.upgrade.timeouts);
  add_json(upgrade, parsed.upgrade.json, "events as JSON, one object a line, as they happen");

  CLI::App* plan =
      app.add_subcommand("plan", "what an upgrade would do: tried on the live service, not done");
  plan->footer(kPlanFooter);
  plan->add_option("SERVICE", parsed.plan.service, "which")->required()->type_name("");
  plan->add_option("BINARY", parsed.plan.binary,
                   "the new release; without it the file at the present path")
      ->type_name("");
  plan->add_flag("--allow-downgrade", parsed.plan.allow_downgrade, kDowngrade);
  plan->add_flag("--ignore-memory", parsed.plan.ignore_memory, kMemory);
  plan->add_flag("--one-way", parsed.plan.one_way, kOneWay);
  add_timeouts(plan, parsed.plan.timeouts);
  add_json(plan, parsed.plan.json, "events as JSON, one object a line; the last is the plan");

  CLI::App* status = app.add_subcommand("status", "what runs, since when, with how many sessions");
  status->add_option("SERVICE", parsed.status.service, "this one alone")->type_name("");
  status->footer("Example:\n  handoff status --json | jq '.services[].sessions'");
  add_json(status, parsed.status.json, "one JSON object");

  CLI::App* stop = app.add_subcommand("stop", "drain a service and stop it");
  stop->add_option("SERVICE", parsed.stop.service, "which")->required()->type_name("");
  stop->footer(
      "\nIts listeners stay open, and connections wait. It stays stopped, under the\n"
      "next `handoff run`, too, until handoff restart.\n\nExample:\n  handoff stop chat");
  add_json(stop, parsed.stop.json, "one JSON object");

  CLI::App* restart = app.add_subcommand(
      "restart", "a handoff to the same release; starts a service that is stopped");
  restart->add_option("SERVICE", parsed.restart.service, "which")->required()->type_name("");
  restart->footer("Example:\n  handoff restart chat");
  restart->add_flag("--ignore-memory", parsed.restart.ignore_memory, kMemory);
  add_timeouts(restart, parsed.restart.timeouts);
  add_json(restart, parsed.restart.json, "events as JSON, one object a line, as they happen");

  CLI::App* rollback = app.add_subcommand("rollback", "a handoff back to the release before");
  rollback->add_option("SERVICE", parsed.rollback.service, "which")->required()->type_name("");
  rollback->footer(
      "\nWhile a release is provisional that is the permanent one, later the one before it. The "
      "newer\n"
      "release writes the state as the older one reads it; if it can't, nothing is changed.\n\n"
      "Example:\n  handoff rollback chat");
  rollback->add_flag("--ignore-memory", parsed.rollback.ignore_memory, kMemory);
  add_timeouts(rollback, parsed.rollback.timeouts);
  add_json(rollback, parsed.rollback.json, "events as JSON, one object a line, as they happen");

  CLI::App* commit = app.add_subcommand("commit", "make the provisional release permanent");
  commit->add_option("SERVICE", parsed.commit.service, "which")->required()->type_name("");
  commit->footer("Example:\n  handoff commit chat");
  add_json(commit, parsed.commit.json, "one JSON object");

  CLI::App* history = app.add_subcommand("history", "what was done to whom, and how it ended");
  history->add_option("SERVICE", parsed.history.service, "this one alone")->type_name("");
  history->footer(
      "\nReads the file itself, so no supervisor need run. It lies in $HANDOFF_STATE_DIR, else\n"
      "in $HANDOFF_RUNTIME_DIR, else in /var/lib/handoff for root.\n\nExample:\n"
      "  handoff history chat --json | jq 'select(.result == \"failed\")'");
  add_json(history, parsed.history.json, "the records as they are, one object a line");

  CLI::App* check = app.add_subcommand("check", "what is wrong with a config, all at once");
  check->add_option("--config", parsed.check.config, "this file (/etc/handoff/handoff.toml)")
      ->type_name("FILE");
  check->footer(
      "\nReads the file, and looks whether its programs can be executed, its addresses bound (or "
      "are\n"
      "held by the supervisor that runs), its folders entered and its keys read. Starts and "
      "changes\n"
      "nothing. Exit status 0 if nothing is wrong, else 1.\n\nExample:\n"
      "  handoff check --config ./handoff.toml && handoff reload");
  add_json(check, parsed.check.json, "one JSON object");

  CLI::App* reload = app.add_subcommand("reload", "read the config again, and change what can be");
  reload->footer(
      "\nSays what has changed, what waits for an upgrade (a new listener, or another address of "
      "one),\n"
      "and what can't change while a service runs. A file with a mistake changes nothing. SIGHUP\n"
      "does the same.\n\nExample:\n"
      "  handoff reload --json | jq '.unchanged[].message'");
  add_json(reload, parsed.reload.json, "one JSON object");

  CLI::App* doctor = app.add_subcommand("doctor", "what this host allows, and what follows");
  doctor->footer("Example:\n  handoff doctor --json");
  doctor->add_flag("--failpoints", parsed.doctor.failpoints,
                   "list the places where a test can strike (HANDOFF_FAILPOINT)");
  add_json(doctor, parsed.doctor.json, "one JSON object");

  CLI::App* completion = app.add_subcommand("completion", "a completion script for a shell");
  completion->add_option("SHELL", parsed.shell, "bash")->required()->check(CLI::IsMember({"bash"}));
  completion->footer("Example:\n  source <(handoff completion bash)");
  add_json(completion, parsed.completion_json, "the script in one JSON object");
}

// CLI11 only misses a command where there is one that it does not know.
void expect_known_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front().starts_with("-")) return;
  const std::string& word = arguments.front();
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands({})) names.push_back(sub->get_name());
  if (std::ranges::find(names, word) != names.end()) return;
  std::string text = "unknown command \"" + word + "\"";
  if (const auto near = closest(word, names)) text += "; did you mean \"" + *near + "\"?";
  throw CLI::ParseError(text, CLI::ExitCodes::ExtrasError);
}

ExitStatus dispatch(const CLI::App& app, Parsed& parsed,
                    std::optional<std::vector<std::string>> rest) {
  const std::string command = app.get_subcommands().front()->get_name();
  if (rest && command != "run" && command != "upgrade" && command != "plan") {
    throw CLI::ExtrasError(command, std::vector<std::string>{"--"});
  }
  if (command == "run") {
    if (rest) parsed.run.command = std::move(*rest);
    if (app.get_subcommand("run")->count("--watch") > 0) {
      std::erase(parsed.watch, "");
      parsed.run.watch = parsed.watch;
    }
    return run_command(parsed.run);
  }
  if (command == "upgrade") {
    UpgradeOptions& upgrade = parsed.upgrade;
    if (upgrade.self) {
      if (rest || !upgrade.binary.empty()) {
        throw CLI::ValidationError("--self",
                                   "goes with a BINARY alone: the options of the "
                                   "supervisor stay as they are");
      }
      upgrade.binary = std::exchange(upgrade.service, "");
    } else if (upgrade.service.empty()) {
      throw CLI::RequiredError("SERVICE");
    }
    if (upgrade.configured && (upgrade.self || rest || !upgrade.binary.empty())) {
      throw CLI::ValidationError("--config", "goes with a SERVICE alone");
    }
    upgrade.args = std::move(rest);
    return upgrade_command(parsed.upgrade);
  }
  if (command == "plan") {
    parsed.plan.args = std::move(rest);
    return plan_command(parsed.plan);
  }
  if (command == "status") return status_command(parsed.status);
  if (command == "stop") return stop_command(parsed.stop);
  if (command == "restart") return restart_command(parsed.restart);
  if (command == "rollback") return rollback_command(parsed.rollback);
  if (command == "commit") return commit_command(parsed.commit);
  if (command == "history") return history_command(parsed.history);
  if (command == "check") return check_command(parsed.check);
  if (command == "reload") return reload_command(parsed.reload);
  if (command == "doctor") return doctor_command(parsed.doctor);
  return completion_command(parsed.shell, parsed.completion_json);
}

}  // namespace

int run_cli(int argc, char** argv) {
  const Terminal terminal;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string& argument : arguments) {
    if (const auto text = expect_utf8("the argument", argument); !text) {
      std::cerr << "handoff: " << text.error().message << "\n";
      return static_cast<int>(ExitStatus::kUsage);
    }
  }
  std::optional<std::vector<std::string>> rest;
  if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
      dashes != arguments.end()) {
    rest.emplace(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
  }
  CLI::App app("handoff: upgrade a running service without dropping a connection", "handoff");
  app.set_version_flag("--version", std::string("handoff ") + HANDOFF_VERSION);
  app.footer(kFooter);
  app.formatter(std::make_shared<Help>());
  app.require_subcommand(1);
  Parsed parsed;
  add_run(app, parsed);
  add_commands(app, parsed);
  try {
    expect_known_command(app, arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants it
    app.parse(arguments);
    return static_cast<int>(dispatch(app, parsed, std::move(rest)));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << "handoff: " << printable(error.what()) << "\n"
              << "Run `handoff --help`, or `handoff COMMAND --help`, for what there is.\n";
    return static_cast<int>(ExitStatus::kUsage);
  } catch (const nlohmann::json::exception& error) {
    std::cerr << "handoff: the supervisor's answer can't be understood; is it of another version? ("
              << error.what() << ")\n";
    return static_cast<int>(ExitStatus::kFailed);
  } catch (const std::exception& error) {
    std::cerr << "handoff: " << printable(error.what()) << "\n";
    return static_cast<int>(ExitStatus::kFailed);
  }
}

}  // namespace handoff::supervisor
