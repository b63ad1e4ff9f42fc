// Effects as one line of text, so that a test reads as a timeline.
#pragma once

#include <string>
#include <type_traits>

#include "supervisor/core/effects.h"

namespace handoff::supervisor {

inline std::string quarantined(const Spawn& spawn) {
  std::string out;
  for (const std::uint64_t session : spawn.quarantined) out += " but " + std::to_string(session);
  return out;
}

inline std::string show(const Effect& effect) {
  return std::visit(
      [](const auto& what) -> std::string {
        using T = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<T, Spawn>) {
          return std::string("spawn ") + std::to_string(what.generation) +
                 (what.candidate ? " candidate" : "") + (what.heir ? " heir" : "") +
                 (what.rehearsal ? " rehearsal" : "") +
                 (what.ends_children ? " after children" : "") +
                 (what.vault_of != 0 ? " reads vault of " + std::to_string(what.vault_of) : "") +
                 quarantined(what);
        } else if constexpr (std::is_same_v<T, SendDonate>) {
          return "donate " + std::to_string(what.donor) + ">" + std::to_string(what.heir) +
                 (what.rehearsal ? " rehearsal" : "");
        } else if constexpr (std::is_same_v<T, SendStop>) {
          return "stop " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, SendCancel>) {
          return "cancel " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, Signal>) {
          return (what.kill ? "kill " : "term ") + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, EndStart>) {
          return "end start of " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, OpenCandidate>) {
          return "open";
        } else if constexpr (std::is_same_v<T, OpenBack>) {
          return "open back";
        } else if constexpr (std::is_same_v<T, TakeCandidate>) {
          switch (what.back) {
            case Probation::Back::kStays:
              return "take";
            case Probation::Back::kIsTheOneBefore:
              return "take (keeps the one before)";
            case Probation::Back::kIsEmpty:
              return "take (keeps none)";
          }
          return "?";
        } else if constexpr (std::is_same_v<T, TakeBack>) {
          return "take back";
        } else if constexpr (std::is_same_v<T, Committed>) {
          return what.already ? "committed already" : what.by_itself ? "passed" : "committed";
        } else if constexpr (std::is_same_v<T, ProbationFailed>) {
          return "not passed(" + what.why + ")";
        } else if constexpr (std::is_same_v<T, OtherRelease>) {
          return "other release " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, WentBack>) {
          return "went back " + std::to_string(what.from) + ">" + std::to_string(what.to) +
                 " lost " + std::to_string(what.lost);
        } else if constexpr (std::is_same_v<T, DropCandidate>) {
          return "drop";
        } else if constexpr (std::is_same_v<T, Announce>) {
          return what.begins ? "phase " + what.phase : "progress";
        } else if constexpr (std::is_same_v<T, Conclude>) {
          switch (what.report.result) {
            case Report::Result::kDone:
              return "done";
            case Report::Result::kFailed:
              return "failed(" + what.report.code + ")";
            case Report::Result::kLost:
              return "lost(" + what.report.code + ")";
            case Report::Result::kRehearsed:
              return "rehearsed";
          }
          return "?";
        } else if constexpr (std::is_same_v<T, Refuse>) {
          return "refuse(" + what.code + ")";
        } else if constexpr (std::is_same_v<T, Unchanged>) {
          return "unchanged";
        } else if constexpr (std::is_same_v<T, SendDrain>) {
          return "drain " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, SendSpread>) {
          return "spread " + std::to_string(what.generation) + " " + std::to_string(what.permille);
        } else if constexpr (std::is_same_v<T, SendRelink>) {
          return "relink " + std::to_string(what.late) + ">" + std::to_string(what.owner);
        } else if constexpr (std::is_same_v<T, EndChildren>) {
          return "end children" +
                 (what.generation == 0 ? "" : " of " + std::to_string(what.generation)) +
                 (what.grace == Duration{} ? " at once" : "");
        } else if constexpr (std::is_same_v<T, LookForChildren>) {
          return "look for children of " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, ReportStopped>) {
          return "stopped";
        } else if constexpr (std::is_same_v<T, DropVault>) {
          return "drop vault of " + std::to_string(what.generation);
        } else if constexpr (std::is_same_v<T, Recovered>) {
          return "recovered " + std::to_string(what.from.of) + ">" +
                 std::to_string(what.report.to) +
                 (what.report.result == Report::Result::kDone ? "" : " in part");
        } else {
          return "";  // Note: words for the log; Crashed: a record
        }
      },
      effect);
}

inline std::string show(const Effects& effects) {
  std::string out;
  for (const Effect& effect : effects) {
    const std::string text = show(effect);
    if (text.empty()) continue;
    if (!out.empty()) out += ", ";
    out += text;
  }
  return out;
}

inline Time at(std::chrono::milliseconds since) { return Time(std::chrono::hours(1) + since); }

}  // namespace handoff::supervisor
