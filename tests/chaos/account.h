// The rules of the second half: nothing lost, nothing substituted, nothing misreported.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "surroundings.h"
#include "traffic.h"

namespace chaos {

// What must be true of the struck service once the blow is over.
struct Promise {
  std::string release = "1.0";
  std::string standing = "permanent";
  std::string back;             // the release to go back to; "": none
  bool ordered = false;         // `handoff stop` was asked for: its sessions end, and nothing runs
  bool went_back = false;       // it died on probation
  std::string self_refused_by;  // error.code of `upgrade --self`; "": it is done
  bool drift = false;           // what lies at its path is another file
};

// An operator's command: how it ended, and how it may.
struct Told {
  std::string command;
  int status = -1;
  std::set<int> may;
  std::string code = {};  // error.code of its last line
  std::string must_be = {};
};

// What a trial has seen. A service's status is the object that `handoff status --json` has of it.
struct Account {
  nlohmann::json before, after, beside_before, beside_after;
  Tally struck, beside;
  std::size_t residents = 0;      // of the struck service, when it was struck
  std::string runs, beside_runs;  // the release whose very bytes run; "" if nothing or another
  std::map<std::string, std::string> digests;  // of the releases, as told when they were chosen
  std::vector<Told> told;
  std::size_t upgrades_done = 0;
  std::vector<nlohmann::json> history;
  std::string log;  // the supervisors', and their services'
};

// The rules that the account breaks; empty if all is well.
std::vector<std::string> judge(Hit hit, const Promise& promise, const Account& account);

}  // namespace chaos
