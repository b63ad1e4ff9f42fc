// `handoff status`: a table, or the supervisor's object as it is.
#include <algorithm>
#include <iostream>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/report.h"
#include "supervisor/cli/table.h"
#include "supervisor/core/duration.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

constexpr Duration kPatience = std::chrono::seconds(10);

std::string text_of(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  return value.dump();
}

std::string back_of(const json& back) {
  if (!back.is_object()) return "-";
  return back.at("release").is_string() ? back["release"].get<std::string>()
                                        : short_digest(text_in(back, "digest"));
}

std::string listeners_of(const json& service) {
  std::string text;
  for (const json& listener : service.at("listeners")) {
    if (!text.empty()) text += " ";
    text +=
        listener.at("name").get<std::string>() + "=" + listener.at("address").get<std::string>();
  }
  return text.empty() ? "-" : text;
}

// With a space before each.
std::string words_of(const json& words) {
  std::string out;
  for (const json& word : words) out += " " + word.get<std::string>();
  return out;
}

std::string next_start_of(const json& problem) {
  if (!problem.value("next_start_ms", json()).is_number_integer()) return "";
  return "; next start in " + format_duration(milliseconds_in(problem, "next_start_ms"));
}

bool drifted(const json& service) { return service.value("drift", json()) == true; }

// Which files are not any more what runs, "A, B and 2 more are"; of a script its own, not that of
// its interpreter.
std::string drifted_files(const json& service) {
  constexpr std::size_t kMost = 3;
  json files = service.value("drifted", json::array());
  if (files.empty()) files = json::array({service.at("source")});  // one that is new, say
  std::string out;
  for (std::size_t i = 0; i < std::min(kMost, files.size()); ++i) {
    out += (i == 0 ? "" : ", ") + text_of(files[i]);
  }
  if (files.size() > kMost) out += " and " + std::to_string(files.size() - kMost) + " more";
  return out + (files.size() > 1 ? " are" : " is");
}

// Of one generation, what runs beside its process.
std::string children_of(const std::string& name, const json& of) {
  const auto count = of.at("count").get<std::size_t>();
  std::string out = name + ": ";
  if (of.at("generation") == 0) {
    out += "earlier generations";
  } else {
    out += "generation " + text_of(of.at("generation"));
  }
  out += (of.at("lives") == true ? " has " : " has left ") + std::to_string(count) +
         (count == 1 ? " process: " : " processes: ");
  std::size_t told = 0;
  for (const json& process : of.at("processes")) {
    out += (told++ == 0 ? "" : ", ") + text_of(process.at("command")) + " (pid " +
           text_of(process.at("pid")) + ")";
  }
  return count > told ? out + " and " + std::to_string(count - told) + " more" : out;
}

// What becomes of its sessions should it die; "" if there is nothing to be said.
std::string vault_of(const json& service) {
  const json vault = service.value("vault", json::object());
  const std::string name = text_of(service.at("name"));
  std::string out;
  if (vault.value("why", json()).is_string()) {
    out += "! " + name +
           ": it has no vault, so its sessions end with it: " + text_of(vault.at("why")) + "\n";
  }
  const json last = vault.value("last_recovery", json());
  if (!last.is_object()) return out;
  const json sessions = last.value("sessions", json::object());
  const auto lost = number_in(sessions, "lost") + number_in(sessions, "closed");
  return out + name + ": " + counted(number_in(sessions, "moved"), "session") +
         " went on from its vault " + format_duration(microseconds_in(last, "took_us")) +
         " after a death, at " + text_in(last, "at") +
         (lost == 0 ? "" : ", and " + std::to_string(lost) + " did not") + ": " +
         text_in(last.value("error", json::object()), "message") + "\n";
}

std::string digest_of(const json& service) {
  return short_digest(text_of(service.at("digest"))) + (drifted(service) ? " *" : "");
}

}  // namespace

ExitStatus status_command(const ServiceOptions& options) {
  json request{{"command", "status"}};
  if (!options.service.empty()) request["service"] = options.service;
  const Answer answer = ask(request, kPatience, options.json);
  if (answer.failure != ExitStatus::kDone) {
    return complain(options.json, answer.failure,
                    answer.failure == ExitStatus::kNoSupervisor ? "no_supervisor" : "failed",
                    answer.message);
  }
  if (!answer.last.contains("services")) {
    return complain(options.json, status_of(answer.last),
                    text_in(answer.last.at("error"), "code", "failed"),
                    text_in(answer.last.at("error"), "message"));
  }
  if (options.json) {
    std::cout << answer.last.dump() << std::endl;
    return ExitStatus::kDone;
  }
  std::vector<std::vector<std::string>> rows{{"SERVICE", "STATE", "RELEASE", "STANDING", "DIGEST",
                                              "GEN", "PID", "SESSIONS", "RESTARTS", "SINCE",
                                              "BACK TO", "LISTENERS"}};
  for (const json& service : answer.last.at("services")) {
    rows.push_back({text_of(service.at("name")), text_of(service.at("state")),
                    text_of(service.at("release")), text_of(service.at("standing")),
                    digest_of(service), text_of(service.at("generation")),
                    text_of(service.at("pid")), text_of(service.at("sessions")),
                    text_of(service.at("restarts")), text_of(service.at("since")),
                    back_of(service.at("back")), listeners_of(service)});
    // Older processes that still have busy sessions, or have none and not exited yet.
    for (const char* state : {"late", "leaving"}) {
      for (const json& old : service.value(state, json::array())) {
        rows.push_back({"", state, text_of(old.value("release", json())), "",
                        short_digest(text_of(old.value("digest", json()))),
                        text_of(old.at("generation")), text_of(old.value("pid", json())),
                        text_of(old.value("sessions", json())), "", "", "", ""});
      }
    }
  }
  std::cout << table(rows);
  const json config = answer.last.value("config", json());
  if (config.is_object() && config.value("problem", json()).is_string()) {
    std::cout << "! services run by what " << text_of(config.at("file"))
              << " said when it was in force last (mend it, and handoff reload): "
              << text_of(config.at("problem")) << "\n";
  }
  const json history = answer.last.value("history", json());
  if (history.is_object() && history.value("problem", json()).is_string()) {
    std::cout << "! what happens is not in the history yet (handoff doctor): "
              << text_of(history.at("problem")) << "\n";
  }
  for (const json& service : answer.last.at("services")) {
    const json problem = service.value("problem", json());
    if (problem.is_object()) {
      std::cout << "! " << text_of(service.at("name")) << ": " << text_of(problem.at("message"))
                << next_start_of(problem) << "\n";
    }
  }
  for (const json& service : answer.last.at("services")) std::cout << vault_of(service);
  for (const json& service : answer.last.at("services")) {
    const json leaving = service.value("leaving_by_itself", json());
    if (!leaving.is_string()) continue;
    const std::string why = text_of(leaving);
    std::cout << text_of(service.at("name")) << ": it is about to leave by itself"
              << (why.empty() ? "" : ": " + why) << ", and is not started again\n";
  }
  for (const json& service : answer.last.at("services")) {
    for (const json& late : service.value("late", json::array())) {
      if (const std::string stay = staying_line(late); !stay.empty()) {
        std::cout << text_of(service.at("name")) << ": of generation "
                  << text_of(late.at("generation")) << ": " << stay << "\n";
      }
      const auto unmovable = number_in(late, "unmovable");
      if (unmovable == 0) continue;
      std::cout << "! " << text_of(service.at("name")) << ": generation "
                << text_of(late.at("generation")) << " keeps " << counted(unmovable, "session")
                << " that could not be moved (handoff history has why)\n";
    }
  }
  for (const json& service : answer.last.at("services")) {
    const std::string name = text_of(service.at("name"));
    for (const json& of : service.value("children", json())) {
      std::cout << children_of(name, of) << "\n";
    }
    for (const json& listener : service.at("listeners")) {
      if (listener.value("kept", false)) {
        std::cout << name << ": listener " << text_of(listener.at("name"))
                  << " is kept, and nobody accepts on it: the release that runs does not claim "
                     "it\n";
      }
      if (const json also = listener.value("also", json()); also.is_string()) {
        std::cout << name << ": listener " << text_of(listener.at("name")) << " is served at "
                  << text_of(also) << ", too, until the release is permanent\n";
      }
      if (listener.value("configured", json()).is_string()) {
        std::cout << "! " << name << ": " << elsewhere_line(listener, name) << "\n";
      }
      if (!listener.value("problem", json()).is_string()) continue;
      std::cout << "! " << name << ": listener " << text_of(listener.at("name")) << ": "
                << text_of(listener.at("problem")) << "\n";
    }
  }
  for (const json& service : answer.last.at("services")) {
    if (service.at("state") != "stopped") continue;
    const std::string name = text_of(service.at("name"));
    std::cout << name << " stays stopped until handoff restart " << name << "\n";
  }
  for (const json& service : answer.last.at("services")) {
    const std::string name = text_of(service.at("name"));
    if (!service.value("in_config", true)) {
      std::cout << name << " is not in the configuration any more (put it back, or handoff stop "
                << name << ", handoff reload)\n";
      continue;
    }
    if (service.value("configured", true)) continue;
    std::cout << name << " runs " << text_of(service.at("source"))
              << words_of(service.value("args", json::array()))
              << ", as it was chosen; the configuration names"
              << words_of(service.value("command", json::array())) << " (handoff upgrade --config "
              << name << ")\n";
  }
  for (const json& service : answer.last.at("services")) {
    if (!drifted(service)) continue;
    std::cout << "* " << drifted_files(service) << " not any more what "
              << text_of(service.at("name")) << " runs (handoff upgrade "
              << text_of(service.at("name")) << ")\n";
  }
  std::cout << std::flush;
  return ExitStatus::kDone;
}

}  // namespace handoff::supervisor
