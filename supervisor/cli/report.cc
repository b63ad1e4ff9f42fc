#include "supervisor/cli/report.h"

#include "libhandoff/core/staying.h"
#include "supervisor/base/json_read.h"
#include "supervisor/cli/table.h"
#include "supervisor/core/duration.h"
#include "supervisor/core/elsewhere.h"
#include "supervisor/core/memory.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string padded(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text + " ";
}

std::string duration_of(const json& object, const char* name) {
  return format_duration(microseconds_in(object, name));
}

std::string release_of(const json& party) {
  const json& name = party.at("release");
  std::string text = name.is_string() ? "release " + name.get<std::string>()
                                      : text_in(party, "path", "the new release");
  text += " (generation " + std::to_string(number_in(party, "generation"));
  if (party.at("pid").is_number()) text += ", pid " + party.at("pid").dump();
  return text + ")";
}

// For how long the release may still be taken back by itself, and how to say that it is good.
std::string standing_of(const json& done) {
  if (text_in(done, "standing") != "provisional") return "permanent";
  const std::string service = text_in(done, "service");
  std::string text = "provisional";
  if (done.at("probation_left_ms").is_number()) {
    const auto left = milliseconds_in(done, "probation_left_ms");
    text += " for " + format_duration(std::chrono::ceil<std::chrono::seconds>(left));
  }
  return text + " (handoff commit " + service + ", handoff rollback " + service + ")";
}

// Which sessions were not moved, and why not.
std::vector<std::string> unmoved_lines(const json& sessions) {
  std::vector<std::string> out;
  const json unmoved = sessions.value("unmoved", json::array());
  for (const json& one : unmoved) {
    const std::string peer = text_in(one, "peer");
    const bool by_new = text_in(one, "fault") == "new";
    out.push_back(
        "session " + std::to_string(number_in(one, "session")) +
        (peer.empty() ? "" : " of " + peer) +
        (by_new ? " is not taken by the new release: " : " can't be given by the old release: ") +
        text_in(one, "reason"));
  }
  const auto all = number_in(sessions, "unmovable") + number_in(sessions, "closed");
  if (all > unmoved.size()) out.push_back("and " + with_commas(all - unmoved.size()) + " more");
  return out;
}

// failed: which release, "old", "new", or "" if that is not known. began: a release was started.
std::string advice(const std::string& code, const std::string& failed, const std::string& service,
                   bool began, bool progressive) {
  for (const char* told : {"busy", "no_release", "generations", "no_service", "crowded",
                           "other_release", "downgrade"}) {
    if (code == told) return "";
  }
  if (code == "one_way") {
    return "Teach the new release the way back, or give --one-way: if it does not pass its "
           "probation then, the old one is started from nothing, and the sessions end.";
  }
  if (code == "open" || code == "exec") {
    return "Give the path of an executable file, or of a bundle.";
  }
  if (code == "signature") {
    return "Sign it with the key that verify.key names, and try again.";
  }
  if (code == "resources") return "Give it what it lacks, and try again.";
  if (code == "version") {
    return "Go in steps, through a release that reads what the one that runs writes.";
  }
  if (code == "timeout") {
    return "If that is what it takes, give it more: --start-timeout, --freeze-budget, "
           "--stall-timeout.";
  }
  if (code == "unreachable") {
    return "The running process does not answer; it may go on by itself (handoff status " +
           service + "). Without its sessions: handoff stop " + service + ", handoff restart " +
           service + ".";
  }
  if (!began) return "";  // no release has printed anything
  // What the one that runs refuses is most often that.
  if (progressive && failed == "old" && code == "rejected") {
    return "Leave out --progressive: an upgrade of all sessions at once asks less of " + service +
           ".";
  }
  const std::string log = "The log of the supervisor has what the releases printed; ";
  if (failed == "old") {
    return log + "the one that runs can't hand over as it is. Without its sessions: handoff stop " +
           service + ", handoff restart " + service + ".";
  }
  return log + (failed == "new" ? "correct the new one and try again." : "try again.");
}

}  // namespace

std::string warning_line(const json& event) {
  return "handoff: " + text_in(event, "service") + ": " + text_in(event, "message");
}

std::string left_out_line(const json& one) {
  const std::string sort = text_in(one, "sort");
  const std::string becomes = text_in(one, "becomes");
  std::string text = (sort == "sessions" ? "session kind" : sort) + " " + text_in(one, "name");
  if (sort == "sessions") {
    return text + ": " + counted(number_in(one, "sessions"), "session") +
           " with the old release until they end";
  }
  text += ": " + becomes;
  return becomes == "kept" ? text + "; nobody accepts on it until a release claims it" : text;
}

std::string staying_line(const json& sessions) {
  if (!sessions.is_object()) return "";
  std::vector<core::Staying> all;
  const json staying = sessions.value("staying", json::array());
  for (const json& one : staying) {
    all.push_back({text_in(one, "why"), number_in(one, "sessions")});
  }
  if (all.empty()) return "";
  const auto count = core::count(all);
  return with_commas(count) + (count == 1 ? " can't move and stays" : " can't move and stay") +
         " with the old release: " + core::reasons(all);
}

std::string elsewhere_line(const json& listener, const std::string& service) {
  return tell(Elsewhere{.name = text_in(listener, "name"),
                        .address = text_in(listener, "address"),
                        .configured = text_in(listener, "configured")},
              service);
}

std::string phase_line(const json& event) {
  const std::string phase = text_in(event, "phase");
  std::string text = padded(phase, 8);
  if (phase == "start") return text + "the new release is started beside the old one";
  if (phase == "retire") return text + "the new release serves; the old one leaves";
  const json& sessions = event.at("sessions");
  const auto sent = number_in(sessions, "sent");
  const auto total = number_in(sessions, "total");
  if (sent == 0 && total == 0) {
    return text + (phase == "copy" ? "while the old one serves" : "the old one has frozen");
  }
  text += total > sent ? with_commas(sent) + " of " + counted(total, "session")
                       : counted(sent, "session");
  const auto bytes = number_in(event, "bytes");
  return bytes > 0 ? text + ", " + format_bytes(bytes) : text;
}

std::string summary(const json& done) {
  const std::string service = text_in(done, "service");
  const json& to = done.at("to");
  const json& phases = done.at("phases_us");
  const auto line = [](const char* name, const std::string& value) {
    return "  " + padded(name, 10) + value + "\n";
  };
  if (done.value("fresh", false)) {
    const bool died = done.at("from").is_object();
    std::string text = service + ": started " + release_of(to) +
                       (died ? "; the one before died, so nothing was handed over\n"
                             : "; nothing ran before, so nothing was handed over\n");
    text += line("digest", short_digest(text_in(to, "digest")));
    text += line("start", duration_of(phases, "start"));
    return text + line("standing", standing_of(done));
  }
  const json& from = done.at("from");
  const json& sessions = done.at("sessions");
  const json& blackout = done.at("blackout_us");
  std::string text = service + ": " + release_of(from) + " -> " + release_of(to) + "\n";
  text += line("digest", short_digest(text_in(from, "digest")) + " -> " +
                             short_digest(text_in(to, "digest")));
  const auto closed = number_in(sessions, "closed");
  text += line("sessions", with_commas(number_in(sessions, "moved")) + " moved, " +
                               with_commas(number_in(sessions, "waiting")) + " waiting, " +
                               (closed > 0 ? with_commas(closed) + " closed, " : std::string()) +
                               with_commas(number_in(sessions, "lost")) + " lost");
  for (const json& one : done.value("left_out", json::array())) {
    text += line("left out", left_out_line(one));
  }
  for (const std::string& one : unmoved_lines(sessions)) text += line("", one);
  if (const std::string stay = staying_line(sessions); !stay.empty()) text += line("", stay);
  text += line("state", format_bytes(number_in(done, "bytes")));
  for (const char* phase : {"start", "copy", "switch", "retire"}) {
    text += line(phase, duration_of(phases, phase));
  }
  text += line("blackout",
               "p99 " + duration_of(blackout, "p99") + ", max " + duration_of(blackout, "max"));
  if (done.value("slow", json()).is_string()) text += line("slow", text_in(done, "slow"));
  text += line("standing", standing_of(done));
  if (done.value("one_way", json()).is_string()) {
    text += line("one-way", text_in(done, "one_way"));
  }
  return text;
}

std::string failure(const json& done, bool progressive) {
  const std::string service = text_in(done, "service");
  const json error = done.value("error", json());
  const std::string code = text_in(error, "code");
  std::string text = "handoff: " + (service.empty() ? "" : service + ": ") +
                     text_in(error, "message", "failed") + "\n";
  const std::string state = text_in(done, "state");
  if (done.contains("from") && done["from"].is_object()) {
    if (state == "running" || state == "upgrading") {
      text += "handoff: " + release_of(done["from"]) + " goes on serving; nothing was changed\n";
    } else {
      text += "handoff: the service is now: " + state + " (handoff status " + service + ")\n";
    }
  } else if (!state.empty() && code != "busy" && code != "no_release") {
    text += state == "backoff"
                ? "handoff: what ran before is started soon (handoff status " + service + ")\n"
                : "handoff: the service is as before: " + state + "\n";
  }
  const std::string what = advice(code, text_in(error, "failed"), service,
                                  done.value("to", json()).is_object(), progressive);
  return what.empty() ? text : text + "handoff: " + what + "\n";
}

}  // namespace handoff::supervisor
