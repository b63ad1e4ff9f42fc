#include "supervisor/cli/plan_report.h"

#include <algorithm>

#include "supervisor/base/json_read.h"
#include "supervisor/cli/report.h"
#include "supervisor/cli/table.h"
#include "supervisor/core/duration.h"
#include "supervisor/core/memory.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

// "  sessions   1,000 would move"; without a name the line goes on with what was before it.
std::string line(const std::string& name, const std::string& value) {
  constexpr std::size_t kColumn = 12;
  return "  " + name + std::string(name.size() < kColumn ? kColumn - name.size() : 1, ' ') + value +
         "\n";
}

std::uint64_t number(const json& object, const char* name) { return number_in(object, name); }

std::string us(std::uint64_t value) { return format_duration(microseconds_of(value)); }
std::string ns(std::uint64_t value) {
  return value < 1000 ? std::to_string(value) + " ns" : us(value / 1000);
}

std::string name_of(const json& party, const char* otherwise) {
  if (!party.is_object()) return otherwise;
  const json& name = party.at("release");
  return name.is_string() ? name.get<std::string>() : text_in(party, "path", otherwise);
}

std::string digest_of(const json& party) {
  return party.is_object() ? short_digest(text_in(party, "digest")) : "-";
}

std::string text(const json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string states(const json& plan) {
  std::string out;
  for (const json& state : plan.at("states")) {
    const bool section = state.value("section", false);
    const bool region = state.value("region", false);
    std::string what = (section ? "section " : region ? "region " : "") + text_in(state, "kind");
    what += ": ";
    if (!state.value("claimed", false)) {
      what += "not claimed by the new release";
    } else if (state.at("travels").is_null()) {
      what += "no version in common";
    } else if (region) {
      what += "layout " + text(state.at("travels"));
    } else if (section) {
      what += "version " + text(state.at("travels"));
    } else {
      what += state.at("from") == state.at("to")
                  ? "version " + text(state.at("from"))
                  : "version " + text(state.at("from")) + " to " + text(state.at("to"));
      if (state.at("old_converts").is_string()) {
        what += "; the old release converts " + text(state.at("old_converts"));
      }
      if (state.at("new_converts").is_string()) {
        what += "; the new release converts " + text(state.at("new_converts"));
      }
    }
    out += line(out.empty() ? "state" : "", what);
  }
  return out;
}

std::string listeners(const json& plan) {
  std::string out;
  const auto add = [&out](const json& all, const char* fit) {
    for (const json& listener : all) {
      const std::string address = text_in(listener, "address");
      const bool held = listener.value("held", false);
      out += line(out.empty() ? "listeners" : "",
                  text_in(listener, "name") + (address.empty() ? "" : " (" + address + ")") +
                      (held ? " is new: the supervisor has it" : fit));
    }
  };
  const json& fits = plan.at("listeners");
  add(fits.at("matched"), " moves");
  add(fits.at("missing"), " is not claimed by the new release");
  add(fits.at("extra"), " is new: it would be bound");
  for (const json& one : fits.value("elsewhere", json::array())) {  // of newer supervisors
    out += line(out.empty() ? "listeners" : "",
                text_in(one, "name") + " would go from " + text_in(one, "address") + " to " +
                    text_in(one, "configured") +
                    ", as the configuration says; both are served until that is permanent");
  }
  return out;
}

std::string left_out(const json& plan) {
  std::string out;
  for (const json& one : plan.value("left_out", json::array())) {
    out += line(out.empty() ? "left out" : "", left_out_line(one));
  }
  return out;
}

std::string sessions(const json& plan) {
  const json& of = plan.at("sessions");
  std::string out = line("sessions", with_commas(number(of, "move")) + " would move, " +
                                         with_commas(number(of, "wait")) + " wait, " +
                                         with_commas(number(of, "refused")) + " be refused");
  const auto untried = of.value("untried", std::uint64_t{0});
  if (untried > 0) {
    out += line("", with_commas(untried) +
                        " of them could not be tried: nothing can be saved before the freeze");
  }
  const auto too_large = number(of, "too_large");
  if (too_large > 0) out += line("", with_commas(too_large) + " would not fit into the freeze");
  if (number(of, "stay") > 0) {
    out += line("", with_commas(number(of, "stay")) + " would stay with the old release");
  }
  if (number(of, "close") > 0) {
    out += line("", with_commas(number(of, "close")) + " would be closed");
  }
  if (const std::string stay = staying_line(of); !stay.empty()) out += line("", stay);
  for (const json& example : of.at("examples")) {
    const std::string peer = text_in(example, "peer");
    out += line("", "session " + text(example.at("session")) + (peer.empty() ? "" : " of " + peer) +
                        " (" + text_in(example, "what") + ", the " + text_in(example, "fault") +
                        " release): " + text_in(example, "reason"));
  }
  const auto all = number(of, "refused") + too_large;
  if (all > of.at("examples").size()) {
    out += line("", "and " + with_commas(all - of.at("examples").size()) + " more");
  }
  return out;
}

std::string sizes(const json& plan) {
  const json& bytes = plan.at("bytes");
  std::string out = line("sizes", "sessions " + format_bytes(number(bytes, "sessions")) +
                                      ", sections " + format_bytes(number(bytes, "sections")));
  for (const json& kind : bytes.at("kinds")) {
    if (kind.value("region", false)) {
      out += line("", "region " + text_in(kind, "kind") + ": " +
                          format_bytes(number(kind, "bytes")) + ", which stay where they are");
    }
    if (!kind.value("section", false)) continue;
    out +=
        line("", "section " + text_in(kind, "kind") + ": " + format_bytes(number(kind, "bytes")) +
                     " in " + counted(number(kind, "count"), "chunk"));
  }
  return out;
}

std::string times(const json& plan) {
  const json& phases = plan.at("phases_us");
  std::string out = line("time", "start " + us(number(phases, "start")) + ", copy " +
                                     us(number(phases, "copy")) + ", while the old one serves");
  const json& blackout = plan.at("blackout_us");
  const std::string budget = " (freeze budget " + us(number(blackout, "budget")) + ")";
  if (blackout.at("estimate").is_null()) {
    const std::string why = text_in(blackout, "no_estimate");
    return out + line("blackout", "not estimated" + (why.empty() ? "" : ": " + why) + budget);
  }
  const json& by = blackout.at("measured");
  out += line("blackout", "about " + us(number(blackout, "estimate")) +
                              " until the new release owns them" + budget);
  out += line("", "by the rates measured now: " + counted(number(by, "saved"), "session") +
                      " to save at " + ns(number(by, "save_ns")) + ", " +
                      with_commas(number(by, "restored")) + " to restore at " +
                      ns(number(by, "restore_ns")) + ", sections " + ns(number(by, "sections_ns")) +
                      " to copy and " + ns(number(by, "finish_ns")) + " to finish" +
                      ", two round trips of " + ns(number(by, "round_trip_ns")));
  const json& last = blackout.at("last_upgrade");
  return out + line("", "then it takes them up, which no rehearsal can show" +
                            (last.is_null() ? std::string()
                                            : "; all of it took " + us(number(last, "max")) +
                                                  " in the last upgrade, with " +
                                                  counted(number(last, "sessions"), "session")));
}

std::string memory(const json& plan) {
  const json& of = plan.at("memory");
  const auto amount = [&of](const char* key) {
    return of.at(key).is_null() ? std::string("unknown") : format_bytes(number(of, key));
  };
  std::string free = amount("free");
  if (of.at("free_of").is_string()) free += " of " + text(of.at("free_of"));
  const std::string needed =
      of.value("guessed", false)
          ? "about " + amount("needed") + ", if it takes what the old one has"
          : amount("needed") + " for the time that both run";
  return line("memory", needed + ", free " + free);
}

std::string way_back(const json& plan) {
  const json& back = plan.at("way_back");
  const json& possible = back.at("possible");
  if (possible.get<bool>()) {
    std::string out = line("going back", "possible");
    for (const json& reason : back.value("once_rewritten", json::array())) {
      out += line("", "until it has rewritten a region: " + reason.get<std::string>());
    }
    return out;
  }
  std::string out;
  for (const json& reason : back.at("against")) {
    out += line(out.empty() ? "going back" : "",
                (out.empty() ? "not by a handoff: " : "") + reason.get<std::string>());
  }
  return out;
}

}  // namespace

std::string plan_report(const json& plan) {
  const json& from = plan.at("from");
  const json& to = plan.at("to");
  std::string out = text_in(plan, "service") + ": " + name_of(from, "nothing") + " -> " +
                    name_of(to, "the new release") + ", rehearsed\n";
  out += line("digest", digest_of(from) + " -> " + digest_of(to));
  out += states(plan) + listeners(plan) + left_out(plan);
  // What was not found out is left out; why not, is a problem and comes below.
  if (plan.value("tried", false)) {
    out += sessions(plan) + sizes(plan) + times(plan) + memory(plan);
  } else if (std::any_of(
                 plan.at("problems").begin(), plan.at("problems").end(),
                 [](const json& problem) { return text_in(problem, "code") == "resources"; })) {
    out += memory(plan);
  }
  if (!plan.at("way_back").at("possible").is_null()) out += way_back(plan);
  for (const json& problem : plan.at("problems")) {
    out += line("problem", text_in(problem, "message"));
  }
  return out + text_in(plan, "sentence") + "\n";
}

}  // namespace handoff::supervisor
