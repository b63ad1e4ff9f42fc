#include "account.h"

#include <algorithm>

namespace chaos {
namespace {

using nlohmann::json;

std::uint64_t cut(const Tally& tally) { return tally.reset + tally.visitors_reset; }
std::uint64_t wrong(const Tally& tally) { return tally.lost + tally.duplicated + tally.wrong; }

class Judgement {
 public:
  Judgement(Hit hit, const Promise& promise, const Account& account)
      : hit_(hit), promise_(promise), account_(account) {}

  std::vector<std::string> run() {
    judge_lost();
    judge_substituted();
    judge_status();
    judge_told();
    judge_history();
    judge_log();
    return std::move(out_);
  }

 private:
  void judge_lost();
  void judge_substituted();
  void judge_status();
  void judge_told();
  void judge_history();
  void judge_log();
  std::size_t count(const std::string& event, const std::string& result) const;

  bool killed() const { return hit_ == Hit::kService; }
  void problem(std::string text) { out_.push_back(std::move(text)); }
  void same(const char* whose, const char* key, const json& now, const json& should) {
    if (now == should) return;
    problem(std::string("misreported: ") + key + " of the " + whose + " service is " + now.dump() +
            ", not " + should.dump());
  }

  const Hit hit_;
  const Promise& promise_;
  const Account& account_;
  std::vector<std::string> out_;
};

void Judgement::judge_lost() {
  if (const auto n = cut(account_.beside); n > 0) {
    problem("lost: " + std::to_string(n) + " connections of the service beside it");
  }
  const auto n = cut(account_.struck);
  if (n > 0 && !killed() && !promise_.ordered) {
    problem("lost: " + std::to_string(n) + " connections, and their process was not struck");
  }
  if (wrong(account_.struck) + wrong(account_.beside) > 0) problem("lost: wrong bytes");
}

void Judgement::judge_substituted() {
  if (account_.beside_runs != "1.0") problem("substituted: the service beside it is another");
  const std::string should = promise_.ordered ? "" : promise_.release;
  if (account_.runs != should) {
    problem("substituted: the bytes of \"" + account_.runs + "\" run, not of \"" + should + '"');
  }
}

void Judgement::judge_status() {
  const json &before = account_.before, &after = account_.after;
  for (const char* key :
       {"state", "pid", "generation", "release", "digest", "standing", "restarts", "listeners"}) {
    same("other", key, account_.beside_after.value(key, json()),
         account_.beside_before.value(key, json()));
  }
  same("struck", "state", after.value("state", ""), promise_.ordered ? "stopped" : "running");
  if (promise_.ordered) return same("struck", "pid", after.value("pid", json()), nullptr);
  const auto digest = account_.digests.find(promise_.release);
  same("struck", "release", after.value("release", json()), promise_.release);
  same("struck", "digest", after.value("digest", json()),
       digest == account_.digests.end() ? json() : json(digest->second));
  same("struck", "standing", after.value("standing", json()), promise_.standing);
  same("struck", "listeners", after.value("listeners", json()), before.value("listeners", json()));
  same("struck", "drift", after.value("drift", json()), promise_.drift);
  const json back = after.value("back", json());
  same("struck", "back", back.is_object() ? back.value("release", "") : "", promise_.back);
  if (!killed()) {
    for (const char* key : {"pid", "generation", "restarts"}) {
      same("struck", key, after.value(key, json()), before.value(key, json()));
    }
    return;
  }
  same("struck", "restarts", after.value("restarts", 0), before.value("restarts", 0) + 1);
  if (after.value("generation", 0) <= before.value("generation", 0)) {
    problem("misreported: another process has the generation of the one that was killed");
  }
}

void Judgement::judge_told() {
  for (const Told& told : account_.told) {
    if (!told.may.contains(told.status)) {
      std::string may;
      for (const int status : told.may) may += " " + std::to_string(status);
      problem("misreported: handoff " + told.command + " ended with " +
              std::to_string(told.status) + ", expected" + may);
    }
    if (told.status == 1 && !told.must_be.empty() && told.code != told.must_be) {
      problem("misreported: handoff " + told.command + " was refused by \"" + told.code +
              "\", expected \"" + told.must_be + '"');
    }
  }
}

std::size_t Judgement::count(const std::string& event, const std::string& result) const {
  return static_cast<std::size_t>(std::ranges::count_if(account_.history, [&](const json& record) {
    return record.value("event", "") == event && record.value("result", "") == result;
  }));
}

// A record that something was done, for each thing that was, and for nothing else.
void Judgement::judge_history() {
  const bool self = hit_ == Hit::kSelf && promise_.self_refused_by.empty();
  const auto expect = [&](const char* event, const char* result, std::size_t n) {
    const std::size_t found = count(event, result);
    if (found == n) return;
    problem("misreported: the history has " + std::to_string(found) + " times " + event + " " +
            result + ", expected " + std::to_string(n));
  };
  expect("upgrade", "done", account_.upgrades_done);
  expect("planned", "done", 0);
  expect("self", "done", self ? 1 : 0);
  expect("went_back", "done", 0);
  expect("went_back", "lost", promise_.went_back ? 1 : 0);
  expect("probation_failed", "failed", promise_.went_back ? 1 : 0);
  for (const json& record : account_.history) {
    if (record.value("event", "") != "went_back") continue;
    const json lost = record.value("sessions", json::object()).value("lost", json());
    if (lost != account_.residents) {
      problem("misreported: " + lost.dump() + " sessions told as lost, " +
              std::to_string(account_.residents) + " were");
    }
  }
}

void Judgement::judge_log() {
  for (const char* sign : {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"}) {
    if (account_.log.find(sign) != std::string::npos) problem(sign);
  }
  const auto says = [this](const char* text) {
    return account_.log.find(text) != std::string::npos;
  };
  const char* line = hit_ == Hit::kSupervisor ? " is back"
                     : killed()               ? "was killed by SIGKILL"
                                              : "takes this process over";
  if (hit_ == Hit::kSelf && !promise_.self_refused_by.empty()) return;
  if (!says(line) && !says("lines of the log were left out here")) {
    problem(std::string("misreported: the log has no \"") + line + '"');
  }
}

}  // namespace

std::vector<std::string> judge(Hit hit, const Promise& promise, const Account& account) {
  return Judgement(hit, promise, account).run();
}

}  // namespace chaos
