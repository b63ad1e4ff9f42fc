// `handoff history`: the supervisor says where its files are, and what is not in them yet. Without
// one the files are read that it would have here, and that is said.
#include <algorithm>
#include <deque>
#include <iostream>
#include <map>

#include "libhandoff/base/text.h"
#include "supervisor/base/json_read.h"
#include "supervisor/cli/client.h"
#include "supervisor/cli/options.h"
#include "supervisor/cli/report.h"
#include "supervisor/cli/table.h"
#include "supervisor/host/journal.h"

namespace handoff::supervisor {

using nlohmann::json;

namespace {

std::string text(const json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string release_of(const json& party) {
  if (!party.is_object()) return "-";
  const std::string digest = short_digest(text_in(party, "digest"));
  return text(party.value("release", json())) + " (" + text(party.value("generation", json())) +
         (digest.empty() ? "" : ", " + digest) + ")";
}

// A handoff goes by the name of the command that it was asked for with.
std::string event_of(const json& record) {
  const auto event = text_in(record, "event", "-");
  const auto command = text_in(record, "command");
  if (event == "upgrade" && !command.empty()) return command;
  if (event == "went_back") return "rollback";
  return event == "probation_failed" ? "ill" : event;
}

std::string by_of(const json& record) {
  const auto by = text_in(record, "by");
  if (by == "probation" || by == "service") return "itself";
  if (by == "start") return by;
  // root, by a login of user 1000: "0 (1000)".
  const json uid = record.value("uid", json());
  const json login = record.value("login_uid", json());
  return text(uid) + (login.is_null() || login == uid ? "" : " (" + text(login) + ")");
}

// Sessions that the upgrade did not move: how many, and why the first of them.
std::string unmoved_of(const json& record) {
  const json sessions = record.value("sessions", json());
  if (!sessions.is_object()) return "";
  const auto stay = number_in(sessions, "unmovable");
  const auto closed = number_in(sessions, "closed");
  if (stay + closed == 0) return "";
  std::string out = std::to_string(stay + closed) + " could not be moved and " +
                    (closed == 0 ? "stayed"
                     : stay == 0 ? "were closed"
                                 : "stayed or were closed");
  const json unmoved = sessions.value("unmoved", json::array());
  if (unmoved.empty()) return out;
  const json& first = unmoved.front();
  const std::string peer = text_in(first, "peer");
  return out + ": session " + std::to_string(number_in(first, "session")) +
         (peer.empty() ? "" : " of " + peer) + " (the " + text_in(first, "fault") +
         " release): " + text_in(first, "reason");
}

// What is there to be said beside the columns.
std::string remark(const json& record) {
  if (record.contains("error") && record["error"].is_object()) {
    return text_in(record["error"], "message");
  }
  if (text_in(record, "event") == "left") return text_in(record, "why");
  if (record.contains("sentence")) return text_in(record, "sentence");
  std::string left;
  for (const json& one : record.value("left_out", json::array())) {
    left += (left.empty() ? "not claimed: " : "; ") + left_out_line(one);
  }
  if (record.value("one_way", json()).is_string()) {
    left = "one-way" + (left.empty() ? left : "; " + left);
  }
  if (const std::string unmoved = unmoved_of(record); !unmoved.empty()) {
    left += (left.empty() ? "" : "; ") + unmoved;
  }
  if (const std::string stay = staying_line(record.value("sessions", json::object()));
      !stay.empty()) {
    left += (left.empty() ? "" : "; ") + stay;
  }
  if (!left.empty()) return left;
  return text_in(record, "event") == "requested" ? text_in(record, "path") : "";
}

std::vector<std::string> row(const json& record) {
  std::string moved = "-";
  std::string lost = "-";
  std::string blackout = "-";
  if (record.contains("sessions") && record["sessions"].is_object()) {
    moved = text(record["sessions"].value("moved", json()));
    lost = text(record["sessions"].value("lost", json()));
  }
  if (record.contains("blackout_us") && record["blackout_us"].is_object()) {
    blackout = text(record["blackout_us"].value("max", json())) + " us";
  }
  // Of a recovery clients have waited since the death.
  if (record.contains("took_us")) blackout = text(record["took_us"]) + " us";
  return {text_in(record, "at", "-"),
          text(record.value("service", json())),
          event_of(record),
          by_of(record),
          release_of(record.value("from", json())),
          release_of(record.value("to", json())),
          text_in(record, "result", "-"),
          moved,
          lost,
          blackout,
          remark(record)};
}

// The rows for people: one line for what was asked for and how it ended. Of a very long history the
// oldest are left out, since a table takes memory.
class Rows {
 public:
  static constexpr std::size_t kMost = 50'000;

  void add(const json& record) {
    const std::string service = text(record.value("service", json()));
    const std::string event = text_in(record, "event");
    if (event == "requested") {
      asked_[service] = next_;
    } else if (ends_request(event)) {
      if (const auto before = asked_.extract(service)) drop(before.mapped());
    }
    rows_.push_back({next_++, row(record)});
    if (rows_.size() > kMost) {
      rows_.pop_front();
      ++left_out_;
    }
  }
  std::vector<std::vector<std::string>> take() {
    std::vector<std::vector<std::string>> out{
        {"AT", "SERVICE", "EVENT", "BY", "FROM", "TO", "RESULT", "MOVED", "LOST", "BLACKOUT", ""}};
    out.reserve(rows_.size() + 1);
    for (; !rows_.empty(); rows_.pop_front()) out.push_back(std::move(rows_.front().cells));
    return out;
  }
  std::uint64_t left_out() const { return left_out_; }

 private:
  struct Row {
    std::uint64_t number;
    std::vector<std::string> cells;
  };
  void drop(std::uint64_t number) {
    const auto found = std::ranges::lower_bound(rows_, number, {}, &Row::number);
    if (found != rows_.end() && found->number == number) rows_.erase(found);
  }

  std::deque<Row> rows_;
  std::map<std::string, std::uint64_t> asked_;  // by service: a request without an end
  std::uint64_t next_ = 0;
  std::uint64_t left_out_ = 0;
};

constexpr Duration kPatience = std::chrono::seconds(5);

// Where the history is, and the records that are not there yet.
struct Source {
  std::string state;
  std::vector<json> unwritten;
  std::string note;  // for stderr; "" if the supervisor has answered, and all is well
};

Result<Source> find_source() {
  const Answer answer = ask({{"command", "history"}}, kPatience, true);
  const bool answered = answer.failure == ExitStatus::kDone && answer.last.contains("state") &&
                        answer.last["state"].is_string();
  if (!answered) {
    const auto state = state_path();
    if (!state) return Failure(state.error());
    const std::string why =
        answer.failure == ExitStatus::kDone ? "the supervisor tells nothing of it" : answer.message;
    return Source{*state, {}, "read from " + journal_path(*state) + ": " + why};
  }
  Source out{answer.last["state"].get<std::string>(), {}, ""};
  for (const json& record : answer.last.value("unwritten", json::array())) {
    if (record.is_object()) out.unwritten.push_back(record);
  }
  if (const std::string problem = text_in(answer.last, "problem"); !problem.empty()) {
    out.note = problem + "; " + std::to_string(out.unwritten.size()) +
               " records wait in the supervisor, and are shown";
  }
  return out;
}

void note(const std::string& text) {
  if (!text.empty()) std::cerr << "handoff: " << printable(text) << "\n";
}

}  // namespace

ExitStatus history_command(const ServiceOptions& options) {
  auto source = find_source();
  if (!source) return complain(options.json, ExitStatus::kFailed, "state", source.error().message);
  Rows rows;
  const auto show = [&](const json& record) {
    const std::string service = text(record.value("service", json()));
    if (!options.service.empty() && service != options.service) return;
    if (options.json) {
      std::cout << record.dump() << "\n";
    } else {
      rows.add(record);
    }
  };
  const JournalRead read = read_history(source->state, [&](const json& record) {
    // A record may have been written since the supervisor answered.
    std::erase(source->unwritten, record);
    show(record);
  });
  for (const json& record : source->unwritten) show(record);
  if (!options.json) std::cout << table(rows.take());
  std::cout << std::flush;
  note(source->note);
  for (const std::string& problem : read.problems) note(problem);
  if (read.skipped > 0) {
    note(std::to_string(read.skipped) + " lines are no records, and are left out");
  }
  if (rows.left_out() > 0) {
    note(std::to_string(rows.left_out()) + " older lines are left out (--json prints all)");
  }
  return read.problems.empty() ? ExitStatus::kDone : ExitStatus::kFailed;
}

}  // namespace handoff::supervisor
