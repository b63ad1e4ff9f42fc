// How a handoff ends, and how it is told: the part of Upgrade after the outcome is known.
#include "supervisor/core/upgrade.h"

namespace handoff::supervisor {

// grace until the next measure; term_first says which that is.
void Upgrade::dismiss(Party& party, Duration grace, bool term_first, Time now) {
  party.must_go = true;
  if (party.gone || party.killed) return;
  if (grace == Duration{} && !term_first) {
    kill(party);
  } else {
    party.next = now + grace;
  }
}

void Upgrade::kill(Party& party) {
  party.must_go = true;
  party.next.reset();
  if (party.gone || party.killed) return;
  party.killed = true;
  out_.effects.push_back(Signal{party.generation, true});
}

void Upgrade::close(Report::Result result) {
  state_ = State::kClosing;
  deadline_.reset();
  report_.result = result;
}

void Upgrade::fail_with(std::string code, std::string message) {
  report_.code = std::move(code);
  report_.message = std::move(message);
}

void Upgrade::nobody_owns(std::uint64_t lost) {
  nobody_ = true;
  out_.turn = Turn::kNobodyOwns;
  report_.lost = lost;
  if (crash_.empty()) crash_ = heir_.story.empty() ? "died right after the switch" : heir_.story;
  close(Report::Result::kLost);
}

// The reasons of both sides in one sentence. The heir's own words come first: a donor can often
// only say that its peer is gone.
void Upgrade::conclude_stories() {
  if (rehearsed_ && !cancelled_ && report_.result == Report::Result::kFailed) {
    report_.result = Report::Result::kRehearsed;
    fail_with("", "");
    return;
  }
  if (report_.result == Report::Result::kDone || !report_.message.empty()) return;
  if (heir_owns_) {
    fail_with(report_.code, "the old release " + donor_.story +
                                " during the copy: the new one took over and reset " +
                                std::to_string(report_.lost) +
                                (report_.lost == 1 ? " session" : " sessions") +
                                " that it had no valid state of");
    return;
  }
  std::string text;
  const bool echo = !donor_.story.empty() && heir_.story.find(donor_.story) != std::string::npos;
  if (!heir_.story.empty()) text = "the new release " + heir_.story;
  if (!donor_.story.empty() && !echo) {
    if (!text.empty()) text += "; ";
    text += donor_.gone || donor_.code.empty() ? "the old release " : "the old release says: ";
    text += donor_.story;
  }
  if (text.empty()) text = "the new release died right after the switch";
  const bool heir_knows =
      !heir_.code.empty() && heir_.code != "peer_died" && heir_.code != "cancelled";
  std::string code = heir_knows || donor_.code.empty() ? heir_.code : donor_.code;
  fail_with(code.empty() ? "timeout" : std::move(code), std::move(text));
}

// Closing thousands of fds takes a donor longer than the switch did, and whoever waits for the
// upgrade need not wait for that. But an heir that has died by now has not taken over: there is one
// look at what has happened before it is said so.
void Upgrade::maybe_over(Time now) {
  if (state_ != State::kClosing || (claim_ && !heir_owns_ && !nobody_)) return;
  for (const Party* party : {&donor_, &heir_}) {
    if (!party->must_go || party->gone) continue;
    if (party == &donor_ && only_leaving() && !donor_.termed) {
      if (looked_) continue;
      deadline_ = now;
    }
    return;
  }
  if (heir_owns_) report_.retire = std::max(now - running_, Duration{});
  conclude_stories();
  state_ = State::kOver;
  deadline_.reset();
}

Upgrade::Step Upgrade::finish(Time now) {
  maybe_over(now);
  return std::exchange(out_, {});
}

void Upgrade::announce(const char* phase, bool begins) {
  out_.effects.push_back(
      Announce{phase, progress_.sessions_sent, progress_.sessions_total, progress_.bytes, begins});
}

void Upgrade::note(Note::Level level, std::string text) {
  out_.effects.push_back(Note{level, std::move(text)});
}

}  // namespace handoff::supervisor
